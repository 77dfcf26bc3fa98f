//! Routes that no file has: from the names of services, and from `google.api.http`.

use std::{collections::HashSet, sync::Arc};

use tangelo_reflect::{FIRST_APPLICATION_ID, HttpRule, MethodInfo, Pool, ServiceInfo, http_rules};

use super::{Group, Methods, Routes, Url, attribute::Attribute, pattern, template::Template};
use crate::mapping::{Binding, JsonForm};

/// What a url from `google.api.http` is besides.
#[derive(Debug)]
pub(crate) struct Annotation {
    pub(crate) template: Template,
    pub(crate) binding: Binding,
}

impl Routes {
    /// Adds `/service/method` for each method of the services that `is_there` knows, in lower case; by the rest of each group, as
    /// plugins and session mode. Methods that a url is for already have none: nobody comes around what that asks for.
    pub(crate) fn add_auto(
        &mut self,
        pool: &Pool,
        groups: &[Group],
        is_there: impl Fn(&ServiceInfo) -> bool,
    ) {
        let urls = self.urls.iter();
        let named: HashSet<_> = urls.map(|url| (url.service_id, url.msg_id)).collect();
        for group in groups {
            self.add_auto_of(pool, group, &named, &is_there);
        }
    }

    fn add_auto_of(
        &mut self,
        pool: &Pool,
        group: &Group,
        named: &HashSet<(i32, i32)>,
        is_there: impl Fn(&ServiceInfo) -> bool,
    ) {
        for service in services(pool, group).filter(|service| is_there(service)) {
            let mut same = services(pool, group).filter(|other| other.name == service.name);
            // Of two that are called the same each has its package.
            let name = match same.nth(1) {
                Some(_) => &service.full_name,
                None => &service.name,
            };
            let methods = service.methods.iter();
            for method in methods.filter(|method| !named.contains(&(service.id, method.id))) {
                let path = format!("/{name}/{}", method.name).to_lowercase();
                let url = Url::new(path).service(service.id).message(method.id);
                self.add_derived(group, url);
            }
        }
    }

    /// Adds what methods say of themselves with `google.api.http`, by the rest of the group. What urls have already, they keep.
    pub(crate) fn add_annotated(
        &mut self,
        pool: &Pool,
        group: &Group,
        form: JsonForm,
        is_there: impl Fn(&ServiceInfo) -> bool,
    ) {
        let mut urls = Vec::new();
        for service in services(pool, group).filter(|service| is_there(service)) {
            for method in &service.methods {
                let by = format!("google.api.http of {}.{}", service.full_name, method.name);
                let rules = http_rules(&method.descriptor).unwrap_or_else(|problem| {
                    self.tell(&by, &problem);
                    Vec::new()
                });
                for rule in rules {
                    match annotated(method, &rule, &group.prefix, form) {
                        Ok(url) => urls.push(url.service(service.id).message(method.id)),
                        Err(problem) => self.tell(&by, &format!("{}: {problem}", rule.path)),
                    }
                }
            }
        }
        // What they take from each other is told.
        let written = self.urls.len();
        for url in urls {
            self.add_beside(group, url, written);
        }
    }

    fn tell(&mut self, by: &str, problem: &str) {
        let words = format!("{by}: {problem}");
        self.mistakes.push(super::RouteError::new(None, words));
    }

    fn add_derived(&mut self, group: &Group, url: Url) {
        self.add_beside(group, url, self.urls.len());
    }

    /// Adds a url of the group, but for what the first of the urls there are have already.
    fn add_beside(&mut self, group: &Group, url: Url, first: usize) {
        let group = Group {
            urls: vec![url],
            ..group.clone()
        };
        for mut url in group.into_urls() {
            for known in self.urls.iter().take(first) {
                let is_same = known.hosts.is_empty() == url.hosts.is_empty()
                    && known.hosts.iter().all(|host| url.hosts.contains(host));
                if is_same && shapes(known) == shapes(&url) {
                    url.methods = url.methods.without(known.methods);
                }
            }
            if !url.methods.is_empty() {
                self.urls.push(url);
            }
        }
    }
}

/// The application's services that the group is for.
fn services<'a>(pool: &'a Pool, group: &'a Group) -> impl Iterator<Item = &'a ServiceInfo> {
    let only = group.common.given.has(Attribute::ServiceId);
    let only = only.then_some(group.common.service_id);
    pool.services().filter(move |service| {
        service.id >= FIRST_APPLICATION_ID && only.is_none_or(|only| only == service.id)
    })
}

fn annotated(
    method: &MethodInfo,
    rule: &HttpRule,
    prefix: &str,
    form: JsonForm,
) -> Result<Url, String> {
    if !rule.response_body.is_empty() {
        return Err("response_body is not supported: the whole answer is the response".to_owned());
    }
    let methods: Methods = match rule.method.as_str() {
        "*" => Methods::ALL,
        method => method
            .parse()
            .map_err(|problem| format!("custom kind {problem}"))?,
    };
    let is_without = [http::Method::GET, http::Method::HEAD];
    if !rule.body.is_empty() && is_without.iter().any(|it| methods.contains(it)) {
        return Err(format!("{} has no body", rule.method));
    }
    Template::parse(&rule.path)?;
    let prefix = if prefix == "/" { "" } else { prefix };
    let template = Template::parse(&format!("{prefix}{}", rule.path))?;
    let names = template.variables().iter().map(|variable| &*variable.name);
    let binding = Binding::compile(&method.input, names, &rule.body, form)?;
    let mut url = Url::new(&rule.path).methods(methods.to_string().to_lowercase());
    url.annotation = Some(Arc::new(Annotation { template, binding }));
    Ok(url)
}

/// What is the same for two urls that are open for the same paths.
pub(super) fn shapes(url: &Url) -> Result<Vec<String>, String> {
    match url.template() {
        Some(template) => Ok(template.shapes()),
        None => pattern::shape(&url.path).map(|shape| vec![shape]),
    }
}
