//! Names that are two in .proto files and would be one in Rust.

use std::collections::{HashMap, hash_map::Entry};

use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};
use tangelo_reflect::compile::Compiled;

use crate::generate::OPTIONS;

// Where things are in the descriptors of files, messages and services.
const FILE: Fields = Fields {
    messages: 4,
    enums: 5,
};
const MESSAGE: Fields = Fields {
    messages: 3,
    enums: 4,
};
const SERVICES: i32 = 6;
const METHODS: i32 = 2;

struct Fields {
    messages: i32,
    enums: i32,
}

/// All clashes, one line each: where, what, and what to do about it.
pub(crate) fn clashes(compiled: &Compiled, set: &FileDescriptorSet, services: bool) -> Vec<String> {
    let mut taken = HashMap::new();
    let mut found = Vec::new();
    for file in &set.file {
        let mut names = Names {
            compiled,
            file,
            taken: &mut taken,
            found: &mut found,
        };
        let (messages, enums) = (&file.message_type, &file.enum_type);
        names.types(file.package(), &[], &FILE, (messages, enums));
        for (at, service) in (0..).zip(&file.service).filter(|_| services) {
            names.service(service, &[SERVICES, at]);
        }
    }
    found
}

/// Takes the names of one file.
struct Names<'a> {
    compiled: &'a Compiled,
    file: &'a FileDescriptorProto,
    /// By scope and name in Rust: what has the name, and where it stands.
    taken: &'a mut HashMap<(String, String), (String, String)>,
    found: &'a mut Vec<String>,
}

impl Names<'_> {
    fn types(
        &mut self,
        scope: &str,
        path: &[i32],
        fields: &Fields,
        (messages, enums): (&[DescriptorProto], &[EnumDescriptorProto]),
    ) {
        for (at, one) in (0..).zip(enums) {
            let path = [path, &[fields.enums, at]].concat();
            let what = format!("enum {}", one.name());
            self.take(scope, one.name().to_upper_camel_case(), what, &path);
        }
        for (at, one) in (0..).zip(messages) {
            // A map's entry is no type of its own.
            if one
                .options
                .as_ref()
                .is_some_and(|options| options.map_entry())
            {
                continue;
            }
            let path = [path, &[fields.messages, at]].concat();
            let what = format!("message {}", one.name());
            self.take(scope, one.name().to_upper_camel_case(), what, &path);
            let within = format!("{scope}.{}", one.name());
            self.types(&within, &path, &MESSAGE, (&one.nested_type, &one.enum_type));
        }
    }

    fn service(&mut self, service: &ServiceDescriptorProto, path: &[i32]) {
        let package = self.file.package();
        let name = service.name();
        for part in ["", "Server", "Client"] {
            let rust = format!("{}{part}", name.to_upper_camel_case());
            let what = match part {
                "" => format!("service {name}"),
                part => format!("the {} of service {name}", part.to_lowercase()),
            };
            self.take(package, rust, what, path);
        }
        for (at, method) in (0..).zip(&service.method) {
            let path = [path, &[METHODS, at]].concat();
            let (what, rust) = (
                format!("{name}.{}", method.name()),
                method.name().to_snake_case(),
            );
            let mut options = OPTIONS.iter().map(|option| format!("with_{}", option.name));
            if options.any(|option| option == rust) {
                let place = self.compiled.place(self.file, &path);
                self.found.push(format!(
                    "{place}: {what}: becomes {rust} in Rust, which every client has already: rename it"
                ));
            }
            self.take(&format!("{package}.{name}"), rust, what, &path);
        }
    }

    fn take(&mut self, scope: &str, rust: String, what: String, path: &[i32]) {
        let place = self.compiled.place(self.file, path);
        match self.taken.entry((scope.to_owned(), rust)) {
            Entry::Vacant(free) => {
                free.insert((what, place));
            }
            Entry::Occupied(taken) => {
                let (other, other_place) = taken.get();
                let (_, rust) = taken.key();
                self.found.push(format!(
                    "{place}: {what}: becomes {rust} in Rust, as {other} of {other_place} does: rename one of them"
                ));
            }
        }
    }
}
