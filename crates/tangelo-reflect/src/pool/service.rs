//! A service as krpc sees it: numbers for names.

use prost::Message;
use prost_reflect::{
    Cardinality, DynamicMessage, Kind, MessageDescriptor, MethodDescriptor, ServiceDescriptor,
};

use super::line::line;
use crate::message;

/// Numbers of the option `krpc.serviceId`: since July 2018, and before.
const SERVICE_ID: [u32; 2] = [50001, 1001];
/// Numbers of the option `krpc.msgId`: since July 2018, and before.
const MSG_ID: [u32; 2] = [50002, 1002];

/// A service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// Its number: 2 or more.
    pub id: i32,
    /// Its name without the package.
    pub name: String,
    /// Its name with the package.
    pub full_name: String,
    /// What can be called, in the order of their numbers.
    pub methods: Vec<MethodInfo>,
}

/// A method of a service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MethodInfo {
    /// Its number within the service: 1 or more.
    pub id: i32,
    /// Its name as written.
    pub name: String,
    /// What else the .proto file says of it: comments, options.
    pub descriptor: MethodDescriptor,
    /// What it is asked with.
    pub input: MessageDescriptor,
    /// What it answers with.
    pub output: MessageDescriptor,
    /// Number of the answer's field `retCode`.
    pub ret_code: u32,
    /// Number of the answer's field `retMsg`, if it has one that is a string.
    pub ret_msg: Option<u32>,
}

/// What is wrong with a service or one of its methods.
#[derive(Debug)]
pub(super) struct Problem {
    /// `Service` or `Service.method`.
    pub(super) name: String,
    /// Its line in the .proto file, if that is known.
    pub(super) line: Option<i32>,
    pub(super) problem: String,
}

impl ServiceInfo {
    /// Package of its .proto file; empty where that names none.
    pub fn package(&self) -> &str {
        let name = self.full_name.strip_suffix(&self.name).unwrap_or_default();
        name.trim_end_matches('.')
    }

    /// The method of this number.
    pub fn method(&self, id: i32) -> Option<&MethodInfo> {
        let at = self.methods.binary_search_by_key(&id, |method| method.id);
        self.methods.get(at.ok()?)
    }

    /// The method of this name, as written in the .proto file.
    pub fn method_by_name(&self, name: &str) -> Option<&MethodInfo> {
        self.methods.iter().find(|method| method.name == name)
    }
}

/// The service, or all that is wrong with it; numbers below `first` are not for it.
pub(super) fn read(service: &ServiceDescriptor, first: i32) -> Result<ServiceInfo, Vec<Problem>> {
    let mut problems = Vec::new();
    let id = option(&service.options(), SERVICE_ID);
    let problem = match id {
        0 => Some("needs its number: `option (krpc.serviceId) = 100;`".to_owned()),
        id if id < first => Some(format!(
            "cannot have number {id}: `option (krpc.serviceId) = 100;`, or more"
        )),
        _ => None,
    };
    problems.extend(problem.map(|problem| Problem {
        name: service.name().to_owned(),
        line: number_line(service),
        problem,
    }));
    let mut methods: Vec<MethodInfo> = Vec::new();
    for method in service.methods() {
        let mut wrong = |problem: String| {
            problems.push(Problem {
                name: format!("{}.{}", service.name(), method.name()),
                line: line(service.parent_file_descriptor_proto(), &[method.path()]),
                problem,
            });
        };
        let id = option(&method.options(), MSG_ID);
        if id == 0 {
            wrong("needs its number: `{ option (krpc.msgId) = 1; }`".to_owned());
        } else if id < 0 {
            wrong(format!(
                "cannot have number {id}: `{{ option (krpc.msgId) = 1; }}`, or more"
            ));
        } else if let Some(other) = methods.iter().find(|other| other.id == id) {
            wrong(format!("has number {id}, which {} has already", other.name));
        }
        if method.is_client_streaming() || method.is_server_streaming() {
            wrong("streams; krpc has calls only: take `stream` away".to_owned());
        }
        let (input, output) = (method.input(), method.output());
        if input == output {
            wrong(format!(
                "asks and answers with {}, which krpc refuses: give the answer a message of its own",
                output.name()
            ));
        }
        let Some(ret_code) = field(&output, "retCode", &Kind::Int32) else {
            wrong(format!(
                "answers with {}, which needs `int32 retCode = 1;`",
                output.name()
            ));
            continue;
        };
        methods.push(MethodInfo {
            id,
            name: method.name().to_owned(),
            descriptor: method.clone(),
            ret_code,
            ret_msg: field(&output, "retMsg", &Kind::String),
            input,
            output,
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    methods.sort_by_key(|method| method.id);
    Ok(ServiceInfo {
        id,
        name: service.name().to_owned(),
        full_name: service.full_name().to_owned(),
        methods,
    })
}

/// The line of a service's number, or of the service where it has none.
pub(super) fn number_line(service: &ServiceDescriptor) -> Option<i32> {
    /// Where a service's options are in its descriptor.
    const OPTIONS: i32 = 3;
    let option = |number: u32| [service.path(), &[OPTIONS, number as i32]].concat();
    let options = SERVICE_ID.map(option);
    let [new, old] = &options;
    line(
        service.parent_file_descriptor_proto(),
        &[new, old, service.path()],
    )
}

/// The option under the first of these numbers that there is, else 0.
///
/// Read from its bytes: it is the same there whether it is a known extension or not.
fn option(options: &DynamicMessage, numbers: [u32; 2]) -> i32 {
    let options = options.encode_to_vec();
    numbers
        .into_iter()
        .find_map(|number| message::int32(&options, number).ok().flatten())
        .unwrap_or_default()
}

/// Number of the answer's field of this name and kind: one value, and no choice among others.
fn field(answer: &MessageDescriptor, name: &str, kind: &Kind) -> Option<u32> {
    let field = answer.get_field_by_name(name)?;
    let is_choice = field
        .containing_oneof()
        .is_some_and(|choice| !choice.is_synthetic());
    let fits = field.kind() == *kind && field.cardinality() != Cardinality::Repeated && !is_choice;
    fits.then(|| field.number())
}
