//! Writes the trait, the server and the client of a service.

use std::collections::BTreeSet;

use heck::ToShoutySnakeCase;
use prost_build::{Method, Service, ServiceGenerator};

use tangelo_reflect::{MethodInfo, ServiceInfo, compile::Compiled};

use crate::comments;

pub(crate) struct Generator {
    rpc: String,
    compiled: Compiled,
    /// Response types that are `Message`s already: several methods may answer with the same.
    responses: BTreeSet<String>,
}

/// What a user's lints need not say of code that nobody wrote.
pub(crate) const ALLOW: &str = "#[allow(clippy::all, clippy::pedantic, clippy::nursery, dead_code, deprecated, missing_docs, missing_debug_implementations, unreachable_pub)]";

/// As [`ALLOW`], for implementations of traits.
const STYLE: &str = "#[allow(clippy::all, clippy::pedantic, clippy::nursery)]";

/// Something that every client can be told about its calls, by a method `with_name`.
pub(crate) struct ClientOption {
    /// The method of `Caller`.
    pub(crate) name: &'static str,
    /// What it takes.
    argument: &'static str,
    /// What it does.
    words: &'static str,
}

/// All of them.
pub(crate) const OPTIONS: [ClientOption; 4] = [
    ClientOption {
        name: "timeout",
        argument: "::std::time::Duration",
        words: "Waits this long for an answer, whatever the referer says. Default: as the referer says, 3 s\nunless configured.",
    },
    ClientOption {
        name: "attachment",
        argument: "&str",
        words: "Sends this text beside each request, for the method to read.",
    },
    ClientOption {
        name: "label",
        argument: "&str",
        words: "Labels the calls, and those made to answer them, for routing rules: krpc's `dyeing`.",
    },
    ClientOption {
        name: "key",
        argument: "impl ::core::convert::AsRef<[u8]>",
        words: "Calls of the same key go to the same server, where the balancer hashes.",
    },
];

/// Name of the file that the descriptors of a package are in, beside its code.
pub(crate) fn descriptors_file(package: &str) -> String {
    let package = if package.is_empty() { "_" } else { package };
    format!("{package}.descriptors.bin")
}

impl Generator {
    pub(crate) fn new(rpc: String, compiled: Compiled) -> Self {
        Self {
            rpc,
            compiled,
            responses: BTreeSet::new(),
        }
    }
}

impl ServiceGenerator for Generator {
    fn generate(&mut self, service: Service, out: &mut String) {
        let full_name = match service.package.as_str() {
            "" => service.proto_name.clone(),
            package => format!("{package}.{}", service.proto_name),
        };
        let Some(info) = self.compiled.pool().service_by_name(&full_name) else {
            return;
        };
        let methods = service.methods.iter();
        let methods = methods
            .filter_map(|method| Some((info.method_by_name(&method.proto_name)?, method)))
            .collect();
        let writer = Writer {
            rpc: &self.rpc,
            service: &service,
            info,
            methods,
        };
        out.push_str(&writer.definition_trait());
        out.push_str(&writer.server());
        out.push_str(&writer.client());
        for (info, method) in &writer.methods {
            if self.responses.insert(method.output_proto_type.clone()) {
                out.push_str(&writer.response(info, method));
            }
        }
    }
}

/// Writes what belongs to one service. How it looks is left to the formatter; names of others are whole, as a
/// message may be called `Result`.
struct Writer<'a> {
    rpc: &'a str,
    service: &'a Service,
    info: &'a ServiceInfo,
    methods: Vec<(&'a MethodInfo, &'a Method)>,
}

impl Writer<'_> {
    fn definition_trait(&self) -> String {
        let Self {
            rpc, service, info, ..
        } = self;
        let name = &service.name;
        let docs = comments::docs(&service.comments, &format!("Service {}.", info.id));
        let methods = self.each_method(|info, method| {
            let Method {
                name,
                input_type,
                output_type,
                comments,
                ..
            } = method;
            let docs = comments::docs(comments, &format!("Message {}.", info.id));
            format!(
                "{docs}
                fn {name}(&self, request: {input_type}) -> impl ::core::future::Future<
                    Output = ::core::result::Result<{output_type}, {rpc}::Status>,
                > + ::core::marker::Send;\n"
            )
        });
        format!(
            "{docs}
            {ALLOW}
            pub trait {name}: ::core::marker::Send + ::core::marker::Sync + 'static {{
                {methods}
            }}\n"
        )
    }

    fn server(&self) -> String {
        let Self { rpc, service, .. } = self;
        let name = &service.name;
        let arms = self.each_method(|info, method| {
            let (id, method) = (info.id, &method.name);
            format!(
                "{id} => {{
                    let implementation = ::std::sync::Arc::clone(&self.0);
                    {rpc}::codegen::serve(request, move |message| async move {{
                        <T as {name}>::{method}(&implementation, message).await
                    }})
                }}\n"
            )
        });
        let definition = self.definition();
        format!(
            "/// Answers for an implementation of [`{name}`].
            {ALLOW}
            pub struct {name}Server<T>(::std::sync::Arc<T>);

            {ALLOW}
            impl<T: {name}> {name}Server<T> {{
                /// A server of this implementation.
                pub fn new(implementation: T) -> Self {{
                    Self(::std::sync::Arc::new(implementation))
                }}

                /// A server of an implementation that others hold as well.
                pub fn shared(implementation: ::std::sync::Arc<T>) -> Self {{
                    Self(implementation)
                }}
            }}

            {STYLE}
            impl<T> {rpc}::Definition for {name}Server<T> {{
                {definition}
            }}

            {STYLE}
            impl<T: {name}> {rpc}::Service for {name}Server<T> {{
                fn call(&self, request: {rpc}::Request) -> {rpc}::Answer {{
                    match request.msg_id {{
                        {arms}
                        _ => {rpc}::codegen::not_found(),
                    }}
                }}
            }}\n"
        )
    }

    fn client(&self) -> String {
        let Self {
            rpc, service, info, ..
        } = self;
        let (name, service_id) = (&service.name, info.id);
        let numbers = self.each_method(|info, method| {
            let constant = method.proto_name.to_shouty_snake_case();
            format!(
                "/// Number of `{0}`.
                pub const {constant}_MSG_ID: i32 = {1};\n",
                method.name, info.id
            )
        });
        let options = OPTIONS.map(
            |ClientOption {
                 name,
                 argument,
                 words,
             }| {
                let words = words.replace('\n', "\n/// ");
                format!(
                    "/// {words}
                #[must_use]
                pub fn with_{name}(self, {name}: {argument}) -> Self {{
                    Self {{ caller: self.caller.{name}({name}) }}
                }}\n"
                )
            },
        );
        let options = options.concat();
        let methods = self.each_method(|info, method| {
            let Method {
                name,
                input_type,
                output_type,
                comments,
                ..
            } = method;
            let msg_id = info.id;
            let docs = comments::docs(comments, &format!("Message {msg_id}."));
            format!(
                "{docs}
                pub fn {name}(&self, request: {input_type}) -> {rpc}::Call<{output_type}> {{
                    self.caller.call(({service_id}, {msg_id}), &request)
                }}\n"
            )
        });
        let definition = self.definition();
        format!(
            "/// Calls a [`{name}`] elsewhere.
            {ALLOW}
            #[derive(Clone, Debug)]
            pub struct {name}Client {{
                caller: {rpc}::Caller,
            }}

            {STYLE}
            impl ::core::convert::From<::std::sync::Arc<dyn {rpc}::Service>> for {name}Client {{
                fn from(callee: ::std::sync::Arc<dyn {rpc}::Service>) -> Self {{
                    Self {{ caller: {rpc}::Caller::new(callee) }}
                }}
            }}

            {STYLE}
            impl ::core::convert::From<{rpc}::Caller> for {name}Client {{
                fn from(caller: {rpc}::Caller) -> Self {{
                    Self {{ caller }}
                }}
            }}

            {STYLE}
            impl {rpc}::Definition for {name}Client {{
                {definition}
            }}

            {ALLOW}
            impl {name}Client {{
                /// The service's number.
                pub const SERVICE_ID: i32 = {service_id};
                {numbers}
                {options}
                {methods}
            }}\n"
        )
    }

    /// What [`Definition`] asks, of server and client alike.
    fn definition(&self) -> String {
        let Self {
            rpc, service, info, ..
        } = self;
        let methods = self.each_method(|info, method| {
            let (id, name) = (info.id, &method.proto_name);
            format!(
                "{rpc}::Method {{ msg_id: {id}, name: ::std::borrow::Cow::Borrowed({name:?}) }},\n"
            )
        });
        let (id, name) = (info.id, &service.proto_name);
        let descriptors = descriptors_file(&service.package);
        format!(
            "const SERVICE_ID: i32 = {id};
            const NAME: &'static str = {name:?};
            const METHODS: &'static [{rpc}::Method] = &[{methods}];
            const DESCRIPTORS: &'static [u8] = ::core::include_bytes!({descriptors:?});"
        )
    }

    /// What makes a response message one.
    fn response(&self, info: &MethodInfo, method: &Method) -> String {
        let (rpc, name) = (self.rpc, &method.output_type);
        // Where a field's absence is told from its default, it is an Option.
        let is_optional = |number: u32| {
            let field = info.output.get_field(number);
            field.is_some_and(|field| field.supports_presence())
        };
        let some = "::core::option::Option::Some";
        let (code, set_code) = if is_optional(info.ret_code) {
            ("self.ret_code.unwrap_or_default()", format!("{some}(code)"))
        } else {
            ("self.ret_code", "code".to_owned())
        };
        let (words, set_words) = match info.ret_msg.map(is_optional) {
            Some(true) => (
                "self.ret_msg.as_deref().unwrap_or_default()",
                format!("self.ret_msg = {some}(text.to_owned());"),
            ),
            Some(false) => (
                "&self.ret_msg",
                "self.ret_msg = text.to_owned();".to_owned(),
            ),
            None => ("\"\"", "let _ = text;".to_owned()),
        };
        format!(
            "{STYLE}
            impl {rpc}::Message for {name} {{
                fn ret_code(&self) -> i32 {{
                    {code}
                }}

                fn ret_msg(&self) -> &str {{
                    {words}
                }}

                fn set_outcome(&mut self, code: i32, text: &str) {{
                    self.ret_code = {set_code};
                    {set_words}
                }}
            }}\n"
        )
    }

    fn each_method(&self, write: impl Fn(&MethodInfo, &Method) -> String) -> String {
        self.methods
            .iter()
            .map(|(info, method)| write(info, method))
            .collect()
    }
}
