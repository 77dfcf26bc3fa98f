//! The numbers of services and messages.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ServiceDescriptor};

use crate::Error;

/// Numbers of each service, by its full name.
pub(crate) type Ids = BTreeMap<String, ServiceIds>;

#[derive(Debug)]
pub(crate) struct ServiceIds {
    pub(crate) service_id: i32,
    /// By the method's name in the .proto file.
    pub(crate) messages: BTreeMap<String, i32>,
}

pub(crate) fn read(pool: &DescriptorPool) -> Result<Ids, Error> {
    pool.services()
        .map(|service| Ok((service.full_name().to_owned(), of(&service)?)))
        .collect()
}

fn of(service: &ServiceDescriptor) -> Result<ServiceIds, Error> {
    let wrong = |name: &str, problem: String| Error::Id {
        file: service.parent_file().name().to_owned(),
        name: name.to_owned(),
        problem,
    };
    let service_id = option(&service.options(), "krpc.serviceId").unwrap_or_default();
    if service_id < 2 {
        let problem = "needs its number: `option (krpc.serviceId) = 100;`".to_owned();
        return Err(wrong(service.name(), problem));
    }
    let mut messages = BTreeMap::new();
    for method in service.methods() {
        let name = format!("{}.{}", service.name(), method.name());
        let msg_id = option(&method.options(), "krpc.msgId").unwrap_or_default();
        if msg_id < 1 {
            let problem = "needs its number: `{ option (krpc.msgId) = 1; }`".to_owned();
            return Err(wrong(&name, problem));
        }
        if let Some((other, _)) = messages.iter().find(|(_, id)| **id == msg_id) {
            return Err(wrong(
                &name,
                format!("has number {msg_id}, which {other} has already"),
            ));
        }
        if method.is_client_streaming() || method.is_server_streaming() {
            return Err(wrong(&name, "streams; krpc has calls only".to_owned()));
        }
        if !has_ret_code(&method) {
            let problem = format!(
                "answers with {0}, which needs `int32 retCode = 1;`",
                method.output().name()
            );
            return Err(wrong(&name, problem));
        }
        messages.insert(method.name().to_owned(), msg_id);
    }
    Ok(ServiceIds {
        service_id,
        messages,
    })
}

fn option(options: &DynamicMessage, name: &str) -> Option<i32> {
    options
        .extensions()
        .find(|(extension, _)| extension.full_name() == name)
        .and_then(|(_, value)| value.as_i32())
}

fn has_ret_code(method: &MethodDescriptor) -> bool {
    method
        .output()
        .get_field_by_name("retCode")
        .is_some_and(|field| field.kind() == prost_reflect::Kind::Int32 && !field.is_list())
}
