mod code;
mod declared;
mod descriptors;
mod file;
mod implied;
mod precedence;
mod together;
#[cfg(feature = "gateway")]
mod web;
mod within;
mod wrong_file;

use std::{
    fs,
    path::{Path, PathBuf},
};

use tangelo_rpc::{
    Answer, Code, Definition, Method, Request, Service,
    config::{ClientConfig, RefererConfig, ServerConfig, ServiceConfig},
};

use super::{Bootstrap, plan::Plan};
use crate::test_folder::Folder;

/// An application of one service, `Users` (100): login = 1, logout = 2, update = 3.
fn users() -> Bootstrap {
    Bootstrap::new("test").service(Users::<100>)
}

/// An application that calls it.
fn caller() -> Bootstrap {
    Bootstrap::new("test").referer_with(referer("us"))
}

fn referer(id: &str) -> RefererConfig {
    RefererConfig::new::<Users<100>>(id)
}

struct Users<const NUMBER: i32>;

impl<const NUMBER: i32> Definition for Users<NUMBER> {
    const SERVICE_ID: i32 = NUMBER;
    const NAME: &'static str = "Users";
    const METHODS: &'static [Method] =
        &[method(1, "login"), method(2, "logout"), method(3, "update")];
}

impl<const NUMBER: i32> Service for Users<NUMBER> {
    fn call(&self, _request: Request) -> Answer {
        Box::pin(async { Err(Code::NOT_FOUND.into()) })
    }
}

const fn method(msg_id: i32, name: &'static str) -> Method {
    Method {
        msg_id,
        name: std::borrow::Cow::Borrowed(name),
    }
}

/// A bootstrap that reads this as `tangelo.toml`, and what becomes of it.
fn with_file(bootstrap: Bootstrap, text: &str) -> Result<Plan, Vec<String>> {
    let folder = Folder::with(&[("tangelo.toml", text)]);
    plan(bootstrap.file(folder.path("tangelo.toml")), &folder)
}

/// What becomes of a bootstrap; paths in mistakes begin in the folder.
fn plan(bootstrap: Bootstrap, folder: &Folder) -> Result<Plan, Vec<String>> {
    let inside = format!("{}/", folder.0.display());
    bootstrap.plan().map_err(|mistakes| {
        let mistakes = mistakes.iter();
        mistakes
            .map(|mistake| mistake.replace(&inside, ""))
            .collect()
    })
}

#[track_caller]
fn planned(bootstrap: Bootstrap) -> Plan {
    match bootstrap.plan() {
        Ok(plan) => plan,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

#[track_caller]
fn mistakes(bootstrap: Bootstrap) -> Vec<String> {
    match bootstrap.plan() {
        Ok(_) => panic!("nothing is wrong"),
        Err(mistakes) => mistakes.iter().map(str::to_owned).collect(),
    }
}

/// The mistakes of an application with this file.
#[track_caller]
fn file_mistakes(bootstrap: Bootstrap, text: &str) -> Vec<String> {
    match with_file(bootstrap, text) {
        Ok(_) => panic!("nothing is wrong"),
        Err(mistakes) => mistakes,
    }
}

#[track_caller]
fn file_planned(bootstrap: Bootstrap, text: &str) -> Plan {
    match with_file(bootstrap, text) {
        Ok(plan) => plan,
        Err(mistakes) => panic!("{mistakes:#?}"),
    }
}
