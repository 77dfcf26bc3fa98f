//! The document as a whole.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::{Map, Value, json};
use tangelo_reflect::comment::Commented;

use super::{
    OpenApi,
    operation::operation,
    path::Path,
    schema::{Schemas, describe, put},
};
use crate::{mapping::JsonForm, serve::RoutePlan};

/// Tells of the urls for a host, or of those for every host.
pub(super) fn document(
    api: &OpenApi,
    title: &str,
    plans: &[Arc<RoutePlan>],
    host: Option<&str>,
    form: JsonForm,
    cookie: &str,
) -> Value {
    let is_own = |plan: &&Arc<RoutePlan>| {
        host.is_some_and(|host| plan.url.hosts.iter().any(|it| it == host))
    };
    let own = plans.iter().filter(is_own);
    let all = plans.iter().filter(|plan| plan.url.hosts.is_empty());

    let mut document = Document {
        schemas: Schemas::new(form),
        shapes: HashMap::new(),
        paths: BTreeMap::new(),
        tags: BTreeMap::new(),
        ids: BTreeSet::new(),
    };
    for plan in own.chain(all) {
        document.add(plan);
    }
    document.finish(api, title, cookie)
}

struct Document {
    schemas: Schemas,
    /// The path that is told of all that differ in names of variables only, and those names.
    shapes: HashMap<String, (String, Vec<String>)>,
    paths: BTreeMap<String, Map<String, Value>>,
    /// Services, by their full names.
    tags: BTreeMap<String, Option<String>>,
    ids: BTreeSet<String>,
}

impl Document {
    fn add(&mut self, plan: &Arc<RoutePlan>) {
        let mut path = Path::of(&plan.url);
        let names = || path.names().map(str::to_owned).collect();
        let known = self.shapes.entry(path.shape());
        let (key, names) = known.or_insert_with(|| (path.text(), names()));
        path.rename(names);
        let item = self.paths.entry(key.clone()).or_default();
        let mut ids = Ids::of_url(plan);
        for method in plan.url.methods.iter() {
            let verb = method.as_str().to_ascii_lowercase();
            // Urls for the host itself come first.
            if item.contains_key(&verb) {
                continue;
            }
            let mut operation = operation(plan, &method, &path, &mut self.schemas);
            let service = plan.method.descriptor.parent_service();
            let id = ids.of(&verb, &mut self.ids);
            put(&mut operation, "operationId", id);
            let comment = || service.comment();
            let name = service.full_name().to_owned();
            self.tags.entry(name).or_insert_with(comment);
            item.insert(verb, operation);
        }
    }

    fn finish(self, api: &OpenApi, title: &str, cookie: &str) -> Value {
        let mut info = json!({ "title": title, "version": api.version });
        describe(&mut info, Some(api.description.clone()));
        let tags = self.tags.into_iter().map(|(name, comment)| {
            let mut tag = json!({ "name": name });
            describe(&mut tag, comment);
            tag
        });
        let mut schemas: Map<String, Value> = self.schemas.known.into_iter().collect();
        schemas.insert("Problem".to_owned(), problem());
        let response = json!({
            "description": "What is wrong.",
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        });
        let session = json!({ "type": "apiKey", "in": "cookie", "name": cookie });
        json!({
            "openapi": "3.1.0",
            "info": info,
            "servers": [{ "url": "/" }],
            "tags": tags.collect::<Vec<_>>(),
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "responses": { "Problem": response },
                "securitySchemes": { "session": session },
            },
        })
    }
}

/// The names of a url's operations: `Service_method`, or what its `operationId` says. Further urls of the method have
/// numbers, in the order of the routes; further methods of a url have their names behind that.
struct Ids {
    base: String,
    /// That of the url's first operation, once it has one.
    first: Option<String>,
}

impl Ids {
    fn of_url(plan: &RoutePlan) -> Self {
        let said = plan.url.attribute(OPERATION_ID);
        let service = plan.method.descriptor.parent_service();
        let own = || format!("{}_{}", service.name(), plan.method.name);
        let base = said.map_or_else(own, str::to_owned);
        Self { base, first: None }
    }

    fn of(&mut self, verb: &str, taken: &mut BTreeSet<String>) -> String {
        let base = match &self.first {
            Some(first) => format!("{first}_{verb}"),
            None => self.base.clone(),
        };
        let mut id = base.clone();
        let mut number = 1_u32;
        while !taken.insert(id.clone()) {
            number += 1;
            id = format!("{base}_{number}");
        }
        self.first.get_or_insert_with(|| id.clone());
        id
    }
}

/// The attribute of a url that names its operation.
const OPERATION_ID: &str = "operationId";

fn problem() -> Value {
    let code = "Negative: what is wrong. Of the gateway: -625 what the request says, -660 forbidden, -661 nothing there, \
        -662 another method, -663 too large, -664 no login, -665 no sessions; of calls: -600 nobody to ask, -602 no answer \
        in time, -620 failed, -621 rules, -623 and -624 too busy, -628 too often. Others are the service's own.";
    json!({
        "type": "object",
        "description": "What is wrong.",
        "properties": {
            "retCode": { "type": "integer", "format": "int32", "description": code },
            "retMsg": { "type": "string", "description": "The same in words." },
        },
        "required": ["retCode", "retMsg"],
    })
}
