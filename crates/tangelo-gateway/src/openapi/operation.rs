//! One url with one method.

use http::Method;
use prost_reflect::FieldDescriptor;
use serde_json::{Map, Value, json};
use tangelo_reflect::comment::Commented;

use super::{
    ordered::ORDER,
    parameters::{self, text_value},
    path::Path,
    schema::{Schemas, Side, describe, is_required, put},
};
use crate::{
    mapping::{Answered, Asked},
    route::{Matching, SessionMode},
    serve::{FILES, RoutePlan},
};

/// A url with one of its methods, as the document tells of it.
pub(super) fn operation(
    plan: &RoutePlan,
    method: &Method,
    path: &Path,
    schemas: &mut Schemas,
) -> Value {
    let service = plan.method.descriptor.parent_service();
    let mut operation = json!({
        "tags": [service.full_name()],
        "x-service-id": plan.url.service_id,
        "x-msg-id": plan.url.msg_id,
    });
    let comment = plan.method.descriptor.comment().unwrap_or_default();
    let summary = comment.lines().next().unwrap_or_default();
    let summary = if summary.is_empty() {
        &plan.method.name
    } else {
        summary
    };
    put(&mut operation, "summary", summary);
    let mut words = comment.clone();
    if plan.url.matching == Matching::Prefix {
        words.push_str("\n\nThe same for all that is below this path.");
    }
    describe(&mut operation, Some(words.trim().to_owned()));
    let options = plan
        .method
        .descriptor
        .method_descriptor_proto()
        .options
        .clone();
    if options.is_some_and(|options| options.deprecated()) {
        put(&mut operation, "deprecated", true);
    }

    let mut asked = Request::of(plan, method, path);
    let parameters = asked.parameters(plan, path, schemas);
    if !parameters.is_empty() {
        put(&mut operation, "parameters", parameters);
    }
    let body = asked.body(plan, schemas);
    let has_body = body.is_some();
    if let Some(body) = body {
        put(&mut operation, "requestBody", body);
    }
    let responses = responses(plan, method, has_body, schemas);
    put(&mut operation, "responses", responses);
    let session = json!({ "session": [] });
    match plan.url.session_mode {
        SessionMode::None => {}
        SessionMode::Id | SessionMode::Optional => {
            put(&mut operation, "security", vec![json!({}), session]);
        }
        SessionMode::Required => put(&mut operation, "security", vec![session]),
    }
    operation
}

/// Where the fields of a request stand.
struct Request {
    query: Vec<FieldDescriptor>,
    is_dotted: bool,
    body: Vec<FieldDescriptor>,
    /// The body is this field alone.
    alone: bool,
    takes_forms: bool,
    /// The message says which files have come.
    takes_files: bool,
    /// The body is read by the service itself.
    takes_anything: bool,
    /// All fields of the message stand in the body.
    is_whole: bool,
}

impl Request {
    fn of(plan: &RoutePlan, method: &Method, path: &Path) -> Self {
        let asked: Vec<_> = plan.request.asked(plan.loads_session()).collect();
        let clients = asked
            .iter()
            .filter(|(field, asked)| *asked == Asked::Client && !path.fills(field.name()));
        let clients: Vec<_> = clients.map(|(field, _)| field.clone()).collect();
        let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(method);
        let takes_anything = has_body && asked.iter().any(|(_, asked)| *asked == Asked::Content);
        let binding = plan
            .url
            .annotation
            .as_ref()
            .map(|it| it.binding.body_name());
        let (body, query) = match binding {
            None if has_body => (clients, Vec::new()),
            Some("*") => (clients, Vec::new()),
            None | Some("") => (Vec::new(), clients),
            Some(name) => clients.into_iter().partition(|field| field.name() == name),
        };
        Self {
            is_whole: body.len() == asked.len(),
            query,
            is_dotted: binding.is_some(),
            body,
            alone: binding.is_some_and(|name| !matches!(name, "" | "*")),
            takes_forms: binding.is_none(),
            takes_files: has_body && binding.is_none() && plan.tells_files,
            takes_anything,
        }
    }

    fn parameters(&mut self, plan: &RoutePlan, path: &Path, schemas: &mut Schemas) -> Vec<Value> {
        let mut all = parameters::of_path(path, &plan.method.input, schemas);
        for (field, asked) in plan.request.asked(plan.loads_session()) {
            all.extend(parameters::of_head(&field, asked));
        }
        for field in &self.query {
            parameters::of_query(field, self.is_dotted, path, schemas, &mut all);
        }
        all
    }

    fn body(&self, plan: &RoutePlan, schemas: &mut Schemas) -> Option<Value> {
        let mut content = Map::new();
        if !self.body.is_empty() {
            let schema = match self.body.first() {
                Some(field) if self.alone => schemas.field(field, Side::Asked),
                _ if self.is_whole => schemas.message(&plan.method.input, Side::Asked),
                _ => schemas.object(&plan.method.input, &self.body, Side::Asked),
            };
            content.insert("application/json".to_owned(), json!({ "schema": schema }));
        }
        if let Some(form) = self.form(schemas) {
            let form = json!({ "schema": form });
            content.insert("application/x-www-form-urlencoded".to_owned(), form);
        }
        if self.takes_files {
            let parts = json!({ "schema": self.parts(schemas) });
            content.insert("multipart/form-data".to_owned(), parts);
        }
        if self.takes_anything {
            content.insert("application/octet-stream".to_owned(), json!({}));
        }
        if content.is_empty() {
            return None;
        }
        let is_required = !self.takes_anything && self.body.iter().any(is_required);
        Some(json!({ "content": content, "required": is_required }))
    }

    /// What a form can say of it; only where it can say all.
    fn form(&self, schemas: &mut Schemas) -> Option<Value> {
        if !self.takes_forms || self.body.is_empty() {
            return None;
        }
        let mut form = Form::default();
        for field in &self.body {
            form.add(field, text_value(field, schemas)?, schemas);
        }
        Some(form.schema())
    }

    /// What parts can say of it: files, and texts beside them.
    fn parts(&self, schemas: &mut Schemas) -> Value {
        let mut form = Form::default();
        for field in &self.body {
            if let Some(value) = text_value(field, schemas) {
                form.add(field, value, schemas);
            }
        }
        let file = json!({ "type": "string", "format": "binary" });
        let files = json!({ "type": "array", "items": file, "description": "Files to upload." });
        form.order.push(FILES.into());
        form.properties.insert(FILES.to_owned(), files);
        form.schema()
    }
}

/// What a form can say.
#[derive(Default)]
struct Form {
    properties: Map<String, Value>,
    order: Vec<Value>,
    required: Vec<Value>,
}

impl Form {
    fn add(&mut self, field: &FieldDescriptor, value: Value, schemas: &Schemas) {
        let name = schemas.name(field).to_owned();
        self.order.push(name.as_str().into());
        if is_required(field) {
            self.required.push(name.as_str().into());
        }
        self.properties.insert(name, value);
    }

    fn schema(self) -> Value {
        let mut form =
            json!({ "type": "object", "properties": self.properties, ORDER: self.order });
        if !self.required.is_empty() {
            put(&mut form, "required", self.required);
        }
        form
    }
}

fn responses(plan: &RoutePlan, method: &Method, has_body: bool, schemas: &mut Schemas) -> Value {
    let (mut json, mut headers) = (Vec::new(), Map::new());
    let (mut says_status, mut downloads, mut is_whole) = (false, false, true);
    for (field, answered) in plan.response.answered() {
        is_whole &= answered == Answered::Json;
        match answered {
            Answered::Json => json.push(field),
            Answered::Status => says_status = true,
            Answered::Header(name) => {
                let mut header = json!({ "schema": { "type": "string" } });
                describe(&mut header, field.comment());
                headers.insert(name.to_string(), header);
            }
            Answered::Cookie(name) => {
                let words = format!("Sets cookies, `{name}` among them.");
                let header = json!({ "schema": { "type": "string" }, "description": words });
                headers.insert("set-cookie".to_owned(), header);
            }
            Answered::Download => downloads = true,
            Answered::Other => {}
        }
    }
    let output = &plan.method.output;
    let schema = match is_whole {
        true => schemas.message(output, Side::Answered),
        false => schemas.object(output, &json, Side::Answered),
    };
    let words = output.comment();
    let words = words.unwrap_or_else(|| "What the service answers.".to_owned());
    let mut answer = json!({ "description": words });
    if *method != Method::HEAD {
        let mut content = json!({ "application/json": { "schema": schema } });
        if downloads {
            put(&mut content, "application/octet-stream", json!({}));
        }
        put(&mut answer, "content", content);
    }
    if !headers.is_empty() {
        put(&mut answer, "headers", headers);
    }
    let status = plan.status.map_or(200, |status| status.as_u16());
    let problem = || json!({ "$ref": "#/components/responses/Problem" });
    let mut responses = Map::from_iter([
        (status.to_string(), answer),
        ("400".to_owned(), problem()),
        ("default".to_owned(), problem()),
    ]);
    if plan.url.session_mode == SessionMode::Required {
        responses.insert("401".to_owned(), problem());
    }
    if has_body {
        responses.insert("413".to_owned(), problem());
    }
    if says_status && *method != Method::HEAD {
        let problem = json!({ "$ref": "#/components/schemas/Problem" });
        let either = json!({ "schema": { "anyOf": [schema, problem] } });
        let words = "What the service answers with another status, or what is wrong.";
        let other = json!({ "description": words, "content": { "application/json": either } });
        responses.insert("default".to_owned(), other);
    }
    Value::Object(responses)
}
