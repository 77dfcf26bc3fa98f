//! Services and referers that a file speaks of.

use std::time::Duration;

use tangelo_rpc::{client::RetryLevel, config::MethodConfig};

use super::*;

#[test]
fn a_service_of_the_code_is_found_by_its_id_or_its_interface() {
    for told in [
        "id = \"Users\"",
        "interface = \"Users\"",
        "id = \"Users\"\ninterface = \"Users\"",
    ] {
        let plan = file_planned(users(), &format!("[[service]]\n{told}\nthreads = 5"));
        assert_eq!(
            (plan.services.len(), plan.services[0].threads),
            (1, 5),
            "{told}"
        );
    }
}

#[test]
fn an_interface_may_be_given_another_id() {
    let plan = file_planned(users(), "[[service]]\ninterface = \"Users\"\nid = \"u\"");
    assert_eq!(plan.services[0].id, "u");
}

#[test]
fn of_two_services_of_one_interface_the_id_tells() {
    let two = || {
        Bootstrap::new("test")
            .server(ServerConfig::new("a"))
            .server(ServerConfig::new("b"))
            .service(ServiceConfig::new(Users::<100>).id("one").on("a"))
            .service(ServiceConfig::new(Users::<100>).id("two").on("b"))
    };
    let plan = file_planned(
        two(),
        "[[service]]\nid = \"two\"\ninterface = \"Users\"\nthreads = 5",
    );
    assert_eq!(
        (plan.services[0].threads, plan.services[1].threads),
        (-1, 5)
    );
    assert_eq!(
        file_mistakes(two(), "[[service]]\ninterface = \"Users\"\nthreads = 5"),
        [
            "tangelo.toml:1: service.Users.id: no such service is brought in code \
             (Bootstrap::service); there are: one, two"
        ]
    );
}

#[test]
fn a_service_that_the_code_does_not_bring_is_a_mistake() {
    for (told, label) in [
        ("id = \"x\"", "service.x"),
        ("interface = \"x\"", "service.x"),
        ("", "service"),
    ] {
        let key = if told.starts_with("id") { 2 } else { 1 };
        let expected = format!(
            "tangelo.toml:{key}: {label}.id: no such service is brought in code \
             (Bootstrap::service); there are: Users"
        );
        let found = file_mistakes(users(), &format!("[[service]]\n{told}"));
        assert_eq!(found[0], expected);
    }
}

#[test]
fn an_interface_that_is_not_the_codes_is_a_mistake() {
    assert_eq!(
        file_mistakes(
            users(),
            "[[service]]\nid = \"Users\"\ninterface = \"Orders\""
        ),
        ["tangelo.toml:3: service.Users.interface: is Users in the code that brings it"]
    );
    assert_eq!(
        file_mistakes(caller(), "[[referer]]\nid = \"us\"\ninterface = \"Orders\""),
        ["tangelo.toml:3: referer.us.interface: is Users in the code that brings it"]
    );
    assert_eq!(
        file_mistakes(caller(), "[[referer]]\nid = \"us\"\ninterface = 5"),
        ["tangelo.toml:3: referer.us.interface: expected a text, found 5"]
    );
    file_planned(caller(), "[[referer]]\nid = \"us\"\ninterface = \"Users\"");
}

#[test]
fn a_referer_of_the_code_keeps_its_service() {
    assert_eq!(
        file_mistakes(caller(), "[[referer]]\nid = \"us\"\nservice_id = 101"),
        ["tangelo.toml:3: referer.us.service_id: is 100 in the code that declares it"]
    );
    file_planned(caller(), "[[referer]]\nid = \"us\"\nservice_id = 100");
}

#[test]
fn a_referer_of_the_code_has_everything_else_from_the_file() {
    let plan = file_planned(
        caller(),
        "[[referer]]\nid = \"us\"\ndirect = [\"10.0.0.1:5600\", \"10.0.0.2:5600\"]\ntimeout = 500\n\
         retry_level = \"disconnect\"\nretry_count = 2\nload_balance = \"hash:hashField=userName\"\n\
         zip = \"zlib\"\ngroup = \"g\"\n",
    );
    let referer = &plan.referers[0];
    assert_eq!(referer.direct, ["10.0.0.1:5600", "10.0.0.2:5600"]);
    assert_eq!(referer.timeout, Duration::from_millis(500));
    assert_eq!(
        (referer.retry_level, referer.retry_count),
        (RetryLevel::Disconnect, 2)
    );
    assert_eq!(referer.load_balance.key_field(), Some("userName"));
    assert_eq!((&*referer.zip, &*referer.group), ("zlib", "g"));
}

#[test]
fn a_referer_without_any_name_is_a_mistake() {
    assert_eq!(
        file_mistakes(
            Bootstrap::new("test"),
            "[[referer]]\ndirect = \"10.0.0.1:1\"\n"
        ),
        [
            "tangelo.toml:1: referer.id: is missing",
            "tangelo.toml:1: referer.service_id: is missing: give it, or interface",
        ]
    );
}

#[test]
fn methods_of_the_file_come_before_those_of_the_code() {
    let of_code = MethodConfig::new("log.*")
        .unwrap()
        .timeout(Duration::from_millis(1));
    let bootstrap = Bootstrap::new("test").referer_with(referer("us").method(of_code));
    let plan = file_planned(
        bootstrap,
        "[[referer]]\nid = \"us\"\n\n[[referer.method]]\npattern = \"2-3\"\ntimeout = 2\n\n\
         [[referer.method]]\npattern = 1\nretry_level = \"timeout\"\nretry_count = 3\n",
    );
    let methods = &plan.referers[0].methods;
    let patterns: Vec<_> = methods
        .iter()
        .flat_map(|it| &it.pattern)
        .map(ToString::to_string)
        .collect();
    assert_eq!(patterns, ["2-3", "1", "log.*"]);
    assert_eq!(methods[0].timeout, Some(Duration::from_millis(2)));
    assert_eq!(
        (methods[1].retry_level, methods[1].retry_count),
        (Some(RetryLevel::Timeout), Some(3))
    );
    assert_eq!(methods[1].timeout, None);
}

#[test]
fn a_service_has_methods_in_the_file_too() {
    let plan = file_planned(
        users(),
        "[application]\nflow_control = \"memory\"\n[[service]]\nid = \"Users\"\n\
         method = [{ pattern = \"log.*\", threads = 0, max_threads = 9, queue_size = 7, \
         flow_control = \"1=5\" }]\n",
    );
    let method = &plan.services[0].methods[0];
    assert_eq!(
        (method.threads, method.max_threads, method.queue_size),
        (Some(0), Some(9), Some(7))
    );
    assert_eq!(method.flow_control, "1=5".parse().ok());
}
