//! Services of an application whose configuration holds their chapters as well.

use super::*;
use crate::{
    config::{Krpc, Rest, TomlFile},
    outside::Assignment,
};

const FILE: &str = r#"
[types.chat]
frontend = true

[[server]]
port = 1

[[referer]]
id = "us"
direct = "10.0.0.1:1"
timeout = 100

[env.production.types.chat]
frontend = false

[[env.production.referer]]
id = "us"
timeout = 700

[[env.production.server]]
id = "inner"
port = 2

[env.test.application]
name = "test"
"#;

fn krpc(env: &str, text: &str) -> Krpc {
    Krpc {
        env: env.to_owned(),
        files: vec![TomlFile {
            number: 3,
            path: PathBuf::from("tangelo.toml"),
            text: text.to_owned(),
        }],
        rest: Rest::default(),
    }
}

fn server_on_any() -> Bootstrap {
    caller().service(Users::<101>)
}

/// Where there are two servers, a service says on which it is.
fn on_both() -> Bootstrap {
    let service = ServiceConfig::new(Users::<101>);
    caller().service(service.on("default").on("inner"))
}

#[test]
fn it_reads_its_chapters_and_what_is_different_in_the_environment() {
    let plan = planned(server_on_any().within(krpc("development", FILE)));
    assert_eq!((plan.servers.len(), plan.servers[0].port), (1, 1));
    let timeout = |plan: &Plan| plan.referers[0].timeout.as_millis();
    assert_eq!(timeout(&plan), 100);
    assert_eq!(plan.application.name, "test", "as the code has it");
    let plan = planned(on_both().within(krpc("production", FILE)));
    assert_eq!(timeout(&plan), 700);
    assert_eq!(
        plan.referers[0].direct,
        ["10.0.0.1:1"],
        "what is not different stays"
    );
    assert_eq!((plan.servers.len(), plan.servers[1].port), (2, 2));
}

#[test]
fn its_mistakes_stand_among_those_of_the_application() {
    let text = FILE.replace("timeout = 700", "timeout = 0");
    let told = mistakes(on_both().within(krpc("production", &text)));
    assert_eq!(
        told,
        [
            "tangelo.toml:18: referer.us.timeout: expected a time in milliseconds, at least 1, found 0"
        ]
    );
}

#[test]
fn chapters_of_applications_are_known_for_what_they_are() {
    let told = file_mistakes(users(), "[types.chat]\n[env.production]\n[servers.chat]\n");
    let is = "is of an application with servers for clients (App), which this one is not";
    assert_eq!(
        told,
        [
            format!("tangelo.toml:1: types: {is}"),
            format!("tangelo.toml:2: env: {is}"),
            "tangelo.toml:3: servers: is written [[server]] here; [servers.<type>] is an application's (App)"
                .to_owned(),
        ]
    );
}

#[test]
fn the_applications_variables_and_changes_are_among_its_own() {
    let variables = [
        ("TANGELO__SERVERS__CHAT__PORT", "1"),
        ("TANGELO__ENV", "production"),
        ("TANGELO__REFERER__US__TIMEOUT", "5"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut app = server_on_any();
    app.variables.0.extend(variables.clone());
    let mut krpc = krpc("development", FILE);
    krpc.rest.variables.push(variables[2].clone());
    krpc.rest
        .changes
        .push(("server.default.port".to_owned(), 7.into()));
    krpc.rest.assignments.push(Assignment {
        key: "server.default.max_conns".to_owned(),
        value: "9".to_owned(),
    });
    let plan = planned(app.within(krpc));
    assert_eq!(plan.referers[0].timeout.as_millis(), 5);
    assert_eq!((plan.servers[0].port, plan.servers[0].max_conns), (7, 9));
}
