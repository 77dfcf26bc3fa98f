//! Writes the trait, the server and the client of a service.

use std::{collections::BTreeSet, fmt::Write};

use prost_build::{Method, Service, ServiceGenerator};

use tangelo_reflect::{ServiceInfo, compile::Compiled};

pub(crate) struct Generator {
    rpc: String,
    compiled: Compiled,
    /// Response types that are `Message`s already: several methods may answer with the same.
    responses: BTreeSet<String>,
}

/// What a user's lints need not say of code that nobody wrote.
pub(crate) const ALLOW: &str = "#[allow(clippy::needless_pass_by_value, dead_code, missing_docs, missing_debug_implementations, unreachable_pub)]";

impl Generator {
    pub(crate) fn new(rpc: String, compiled: Compiled) -> Self {
        Self {
            rpc,
            compiled,
            responses: BTreeSet::new(),
        }
    }

    fn write(&mut self, service: &Service, out: &mut String) -> std::fmt::Result {
        let full_name = match service.package.as_str() {
            "" => service.proto_name.clone(),
            package => format!("{package}.{}", service.proto_name),
        };
        let Self {
            rpc,
            compiled,
            responses,
        } = self;
        let Some(info) = compiled.pool().service_by_name(&full_name) else {
            return Ok(());
        };
        let methods: Vec<_> = service
            .methods
            .iter()
            .filter_map(|method| Some((info.method_by_name(&method.proto_name)?.id, method)))
            .collect();
        let writer = Writer {
            rpc,
            service,
            info,
            methods: &methods,
        };
        writer.write_trait(out)?;
        writer.write_server(out)?;
        writer.write_client(out)?;
        for (msg_id, method) in &methods {
            if responses.insert(method.output_proto_type.clone()) {
                let known = info.method(*msg_id);
                let has_text = known.is_some_and(|method| method.ret_msg.is_some());
                writer.write_response(method, has_text, out)?;
            }
        }
        Ok(())
    }
}

/// Writes what belongs to one service.
struct Writer<'a> {
    rpc: &'a str,
    service: &'a Service,
    info: &'a ServiceInfo,
    methods: &'a [(i32, &'a Method)],
}

impl Writer<'_> {
    fn write_trait(&self, out: &mut String) -> std::fmt::Result {
        let Self {
            rpc,
            service,
            info,
            methods,
        } = self;
        let service_id = info.id;
        let comments = &service.comments.leading;
        documentation(out, "", comments, &format!("Service {service_id}."))?;
        writeln!(
            out,
            "{ALLOW}\npub trait {}: Send + Sync + 'static {{",
            service.name
        )?;
        for (msg_id, method) in *methods {
            let comments = &method.comments.leading;
            documentation(out, "    ", comments, &format!("Message {msg_id}."))?;
            let Method {
                name,
                input_type,
                output_type,
                ..
            } = method;
            writeln!(
                out,
                "    fn {name}(&self, request: {input_type}) -> impl Future<Output = Result<{output_type}, {rpc}::Status>> + Send;"
            )?;
        }
        writeln!(out, "}}\n")
    }

    fn write_definition(&self, target: &str, out: &mut String) -> std::fmt::Result {
        let Self {
            rpc,
            service,
            info,
            methods,
        } = self;
        let service_id = info.id;
        let descriptors = descriptors_file(&service.package);
        writeln!(out, "impl{target} {{")?;
        writeln!(out, "    const SERVICE_ID: i32 = {service_id};")?;
        writeln!(
            out,
            "    const NAME: &'static str = {:?};",
            service.proto_name
        )?;
        writeln!(out, "    const METHODS: &'static [{rpc}::Method] = &[")?;
        for (msg_id, method) in *methods {
            writeln!(
                out,
                "        {rpc}::Method {{ msg_id: {msg_id}, name: std::borrow::Cow::Borrowed({:?}) }},",
                method.proto_name
            )?;
        }
        writeln!(out, "    ];")?;
        writeln!(
            out,
            "    const DESCRIPTORS: &'static [u8] = include_bytes!({descriptors:?});\n}}\n"
        )
    }

    fn write_server(&self, out: &mut String) -> std::fmt::Result {
        let Self {
            rpc,
            service,
            methods,
            ..
        } = self;
        let name = &service.name;
        writeln!(out, "/// Answers for an implementation of [`{name}`].")?;
        writeln!(
            out,
            "{ALLOW}\npub struct {name}Server<T>(std::sync::Arc<T>);\n"
        )?;
        writeln!(out, "{ALLOW}\nimpl<T: {name}> {name}Server<T> {{")?;
        writeln!(out, "    /// A server of this implementation.")?;
        writeln!(out, "    pub fn new(implementation: T) -> Self {{")?;
        writeln!(
            out,
            "        Self(std::sync::Arc::new(implementation))\n    }}\n"
        )?;
        writeln!(
            out,
            "    /// A server of an implementation that others hold as well."
        )?;
        writeln!(
            out,
            "    pub fn shared(implementation: std::sync::Arc<T>) -> Self {{"
        )?;
        writeln!(out, "        Self(implementation)\n    }}\n}}\n")?;
        self.write_definition(&format!("<T> {rpc}::Definition for {name}Server<T>"), out)?;
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
        for (msg_id, method) in *methods {
            writeln!(
                out,
                "            {msg_id} => {rpc}::codegen::serve(request, move |message| async move {{ implementation.{}(message).await }}),",
                method.name
            )?;
        }
        writeln!(out, "            _ => {rpc}::codegen::not_found(),")?;
        writeln!(out, "        }}\n    }}\n}}\n")
    }

    fn write_client(&self, out: &mut String) -> std::fmt::Result {
        let Self {
            rpc,
            service,
            info,
            methods,
        } = self;
        let service_id = info.id;
        let name = &service.name;
        writeln!(out, "/// Calls a [`{name}`] elsewhere.")?;
        writeln!(out, "{ALLOW}\n#[derive(Clone, Debug)]")?;
        writeln!(
            out,
            "pub struct {name}Client {{\n    caller: {rpc}::Caller,\n}}\n"
        )?;
        for (from, caller) in [
            (
                format!("std::sync::Arc<dyn {rpc}::Service>"),
                format!("{rpc}::Caller::new(from)"),
            ),
            (format!("{rpc}::Caller"), "from".to_owned()),
        ] {
            writeln!(out, "impl From<{from}> for {name}Client {{")?;
            writeln!(out, "    fn from(from: {from}) -> Self {{")?;
            writeln!(out, "        Self {{ caller: {caller} }}\n    }}\n}}\n")?;
        }
        self.write_definition(&format!(" {rpc}::Definition for {name}Client"), out)?;
        writeln!(out, "{ALLOW}\nimpl {name}Client {{")?;
        writeln!(
            out,
            "    /// The service's number.\n    pub const SERVICE_ID: i32 = {service_id};"
        )?;
        for (msg_id, method) in *methods {
            writeln!(out, "    /// Number of [`{0}`](Self::{0}).", method.name)?;
            let constant = method.name.trim_start_matches("r#").to_uppercase();
            writeln!(out, "    pub const {constant}_MSG_ID: i32 = {msg_id};")?;
        }
        for (option, argument, words) in OPTIONS {
            writeln!(out)?;
            for line in words.lines() {
                writeln!(out, "    /// {line}")?;
            }
            writeln!(out, "    #[must_use]")?;
            let value = argument.split(':').next().unwrap_or_default();
            writeln!(out, "    pub fn with_{option}(self, {argument}) -> Self {{")?;
            writeln!(
                out,
                "        Self {{ caller: self.caller.{option}({value}) }}\n    }}"
            )?;
        }
        for (msg_id, method) in *methods {
            writeln!(out)?;
            let comments = &method.comments.leading;
            documentation(out, "    ", comments, &format!("Message {msg_id}."))?;
            let Method {
                name,
                input_type,
                output_type,
                ..
            } = method;
            writeln!(
                out,
                "    pub fn {name}(&self, request: {input_type}) -> {rpc}::Call<{output_type}> {{"
            )?;
            writeln!(
                out,
                "        self.caller.call(({service_id}, {msg_id}), &request)\n    }}"
            )?;
        }
        writeln!(out, "}}\n")
    }

    fn write_response(
        &self,
        method: &Method,
        has_text: bool,
        out: &mut String,
    ) -> std::fmt::Result {
        let (rpc, name) = (self.rpc, &method.output_type);
        writeln!(out, "impl {rpc}::Message for {name} {{")?;
        writeln!(
            out,
            "    fn ret_code(&self) -> i32 {{\n        self.ret_code\n    }}\n"
        )?;
        if has_text {
            writeln!(
                out,
                "    fn ret_msg(&self) -> &str {{\n        &self.ret_msg\n    }}\n"
            )?;
        }
        let text = if has_text { "text" } else { "_text" };
        writeln!(
            out,
            "    fn set_outcome(&mut self, code: i32, {text}: &str) {{"
        )?;
        writeln!(out, "        self.ret_code = code;")?;
        if has_text {
            writeln!(out, "        self.ret_msg = text.to_owned();")?;
        }
        writeln!(out, "    }}\n}}\n")
    }
}

/// What every client can be told about its calls: the option, its argument, what it means.
const OPTIONS: [(&str, &str, &str); 4] = [
    (
        "timeout",
        "timeout: std::time::Duration",
        "Waits this long for an answer, whatever the referer says. Default: as the referer says, 3 s\nunless configured.",
    ),
    (
        "attachment",
        "attachment: &str",
        "Sends this text beside each request, for the method to read.",
    ),
    (
        "label",
        "label: &str",
        "Labels the calls, and those made to answer them, for routing rules: krpc's `dyeing`.",
    ),
    (
        "key",
        "key: impl AsRef<[u8]>",
        "Calls of the same key go to the same server, where the balancer hashes.",
    ),
];

/// Name of the file that the descriptors of a package are in, beside its code.
pub(crate) fn descriptors_file(package: &str) -> String {
    let package = if package.is_empty() { "_" } else { package };
    format!("{package}.descriptors.bin")
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
