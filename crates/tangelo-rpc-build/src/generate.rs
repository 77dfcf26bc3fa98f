//! Writes the trait, the server and the client of a service.

use std::{collections::BTreeSet, fmt::Write};

use prost_build::{Method, Service, ServiceGenerator};

use crate::ids::Ids;

pub(crate) struct Generator {
    rpc: String,
    ids: Ids,
    /// Response types that are `Message`s already: several methods may answer with the same.
    responses: BTreeSet<String>,
}

/// What a user's lints need not say of code that nobody wrote.
pub(crate) const ALLOW: &str =
    "#[allow(dead_code, missing_docs, missing_debug_implementations, unreachable_pub)]";

impl Generator {
    pub(crate) fn new(rpc: String, ids: Ids) -> Self {
        Self {
            rpc,
            ids,
            responses: BTreeSet::new(),
        }
    }

    fn write(&mut self, service: &Service, out: &mut String) -> std::fmt::Result {
        let Some(ids) = self
            .ids
            .get(&format!("{}.{}", service.package, service.proto_name))
            .or_else(|| self.ids.get(&service.proto_name))
        else {
            return Ok(());
        };
        let allow = ALLOW;
        let Self { rpc, responses, .. } = self;
        let (name, service_id) = (&service.name, ids.service_id);
        let msg_id = |method: &Method| ids.messages.get(&method.proto_name).copied().unwrap_or(0);

        documentation(
            out,
            "",
            &service.comments.leading,
            &format!("Service {service_id}."),
        )?;
        writeln!(out, "{allow}\npub trait {name}: Send + Sync + 'static {{")?;
        for method in &service.methods {
            documentation(
                out,
                "    ",
                &method.comments.leading,
                &format!("Message {}.", msg_id(method)),
            )?;
            writeln!(
                out,
                "    fn {}(&self, request: {}) -> impl Future<Output = Result<{}, {rpc}::Status>> + Send;",
                method.name, method.input_type, method.output_type
            )?;
        }
        writeln!(out, "}}\n")?;

        writeln!(out, "/// Answers for an implementation of [`{name}`].")?;
        writeln!(
            out,
            "{allow}\npub struct {name}Server<T>(std::sync::Arc<T>);\n"
        )?;
        writeln!(out, "{allow}\nimpl<T: {name}> {name}Server<T> {{")?;
        writeln!(out, "    /// A server of this implementation.")?;
        writeln!(out, "    pub fn new(implementation: T) -> Self {{")?;
        writeln!(out, "        Self(std::sync::Arc::new(implementation))")?;
        writeln!(out, "    }}\n}}\n")?;
        writeln!(out, "impl<T> {rpc}::Definition for {name}Server<T> {{")?;
        writeln!(out, "    const SERVICE_ID: i32 = {service_id};")?;
        writeln!(
            out,
            "    const NAME: &'static str = {:?};\n}}\n",
            service.proto_name
        )?;
        writeln!(out, "impl<T: {name}> {rpc}::Service for {name}Server<T> {{")?;
        writeln!(
            out,
            "    fn call(&self, request: {rpc}::Request) -> {rpc}::Answer {{"
        )?;
        writeln!(
            out,
            "        let implementation = std::sync::Arc::clone(&self.0);"
        )?;
        writeln!(out, "        match request.msg_id {{")?;
        for method in &service.methods {
            writeln!(
                out,
                "            {} => {rpc}::codegen::serve(&request, move |message| async move {{ implementation.{}(message).await }}),",
                msg_id(method),
                method.name
            )?;
        }
        writeln!(out, "            _ => {rpc}::codegen::not_found(),")?;
        writeln!(out, "        }}\n    }}\n}}\n")?;

        writeln!(out, "/// Calls a [`{name}`] elsewhere.")?;
        writeln!(out, "{allow}\n#[derive(Clone)]")?;
        writeln!(out, "pub struct {name}Client {{")?;
        writeln!(out, "    callee: std::sync::Arc<dyn {rpc}::Service>,")?;
        writeln!(out, "    timeout: std::time::Duration,\n}}\n")?;
        writeln!(
            out,
            "impl From<std::sync::Arc<dyn {rpc}::Service>> for {name}Client {{"
        )?;
        writeln!(
            out,
            "    fn from(callee: std::sync::Arc<dyn {rpc}::Service>) -> Self {{"
        )?;
        writeln!(
            out,
            "        Self {{ callee, timeout: {rpc}::codegen::DEFAULT_TIMEOUT }}"
        )?;
        writeln!(out, "    }}\n}}\n")?;
        writeln!(out, "{allow}\nimpl {name}Client {{")?;
        writeln!(out, "    /// Waits this long for an answer. Default 3 s.")?;
        writeln!(out, "    #[must_use]")?;
        writeln!(
            out,
            "    pub fn timeout(mut self, timeout: std::time::Duration) -> Self {{"
        )?;
        writeln!(out, "        self.timeout = timeout;\n        self\n    }}")?;
        for method in &service.methods {
            writeln!(out)?;
            documentation(
                out,
                "    ",
                &method.comments.leading,
                &format!("Message {}.", msg_id(method)),
            )?;
            writeln!(
                out,
                "    pub async fn {}(&self, request: {}) -> Result<{}, {rpc}::Status> {{",
                method.name, method.input_type, method.output_type
            )?;
            writeln!(
                out,
                "        {rpc}::codegen::call(&self.callee, ({service_id}, {}), self.timeout, &request).await\n    }}",
                msg_id(method)
            )?;
        }
        writeln!(out, "}}")?;

        for method in &service.methods {
            if responses.insert(method.output_proto_type.clone()) {
                writeln!(out, "\nimpl {rpc}::Message for {} {{", method.output_type)?;
                writeln!(
                    out,
                    "    fn ret_code(&self) -> i32 {{\n        self.ret_code\n    }}\n}}"
                )?;
            }
        }
        Ok(())
    }
}

/// The comment of the .proto file, then the line of ours.
fn documentation(out: &mut String, indent: &str, lines: &[String], ours: &str) -> std::fmt::Result {
    for line in lines.iter().flat_map(|block| block.lines()) {
        writeln!(out, "{}", format!("{indent}/// {}", line.trim()).trim_end())?;
    }
    if !lines.is_empty() {
        writeln!(out, "{indent}///")?;
    }
    writeln!(out, "{indent}/// {ours}")
}

impl ServiceGenerator for Generator {
    fn generate(&mut self, service: Service, out: &mut String) {
        self.write(&service, out)
            .expect("writing to a string does not fail");
    }
}
