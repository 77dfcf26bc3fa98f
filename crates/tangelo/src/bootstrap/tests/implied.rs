//! What nobody said but everybody means.

use tangelo_rpc::config::{RegistryConfig, WebServerConfig};

use super::*;

#[test]
fn services_without_a_server_are_offered_on_5600() {
    let plan = planned(users());
    assert_eq!(plan.servers.len(), 1);
    let server = &plan.servers[0];
    assert_eq!(
        (&*server.id, &*server.host, server.port),
        ("default", "*", 5600)
    );
    assert_eq!(plan.services[0].transport, ["default"]);
    assert!(plan.clients.is_empty());
}

#[test]
fn an_application_that_offers_nothing_listens_nowhere() {
    assert!(planned(Bootstrap::new("test")).servers.is_empty());
    let plan = planned(caller());
    assert!(plan.servers.is_empty());
    let plan = planned(Bootstrap::new("test").reverse_service(Users::<100>));
    assert!(plan.servers.is_empty());
    assert_eq!(
        (plan.clients.len(), &plan.services[0].transport[..]),
        (1, &["default".to_owned()][..])
    );
}

#[test]
fn with_a_web_server_alone_there_is_no_other() {
    let mut bootstrap = users().web_server(WebServerConfig::new("web"));
    bootstrap.imply();
    bootstrap.bind();
    assert!(bootstrap.servers.is_empty());
    assert_eq!(bootstrap.services[0].transport, ["web"]);
}

#[test]
fn a_service_is_at_the_only_server_and_at_all_web_servers() {
    let mut both = users()
        .server(1)
        .web_server(WebServerConfig::new("a"))
        .web_server(WebServerConfig::new("b"));
    both.bind();
    assert_eq!(both.services[0].transport, ["default", "a", "b"]);
    // Which of several servers is meant nobody knows.
    let mut several = users()
        .server(1)
        .server(tangelo_rpc::config::ServerConfig::new("x"));
    several = several.web_server(8600);
    several.bind();
    assert!(several.services[0].transport.is_empty());
}

#[test]
fn a_referer_without_a_client_has_the_default_one() {
    let plan = planned(caller());
    let client = &plan.clients[0];
    assert_eq!((&*client.id, client.ping_seconds), ("default", 60));
    assert_eq!(plan.referers[0].transport, "default");
}

#[test]
fn a_referer_without_address_and_registry_calls_5600_of_this_machine() {
    assert_eq!(planned(caller()).referers[0].direct, ["127.0.0.1:5600"]);
}

#[test]
fn the_only_registry_is_everybodys() {
    let both = users()
        .referer_with(referer("us"))
        .registry(RegistryConfig::default().id("r"));
    let plan = planned(both);
    assert_eq!(plan.services[0].registry_names, ["r"]);
    assert_eq!(plan.referers[0].registry_name, "r");
    assert!(plan.referers[0].direct.is_empty());
}

#[test]
fn of_several_registries_nobody_gets_one_unasked() {
    let registry = |id: &str| RegistryConfig::default().id(id);
    let both = users()
        .referer_with(referer("us"))
        .registry(registry("a"))
        .registry(registry("b"));
    let plan = planned(both);
    assert!(plan.services[0].registry_names.is_empty());
    assert_eq!(plan.referers[0].direct, ["127.0.0.1:5600"]);
}

#[test]
fn addresses_keep_the_only_registry_away_and_so_does_one_that_is_not_looked_in() {
    let registry = || RegistryConfig::default().id("r");
    let plan = planned(
        Bootstrap::new("test")
            .referer_with(referer("us").to("10.0.0.1:1"))
            .registry(registry()),
    );
    assert_eq!(plan.referers[0].registry_name, "");
    let plan = planned(caller().registry(registry().enable_discover(false)));
    assert_eq!(plan.referers[0].direct, ["127.0.0.1:5600"]);
}

#[test]
fn what_says_where_it_belongs_is_left_there() {
    let plan = planned(
        Bootstrap::new("test")
            .server(ServerConfig::new("a"))
            .server(ServerConfig::new("b").port(5601_u16))
            .client(ClientConfig::new("x"))
            .client(ClientConfig::new("y"))
            .service(ServiceConfig::new(Users::<100>).on("b").on("a"))
            .referer_with(referer("us").transport("y"))
            .referer_with(referer("push").reverse(true).transport("a")),
    );
    assert_eq!(plan.services[0].transport, ["b", "a"]);
    assert_eq!(plan.referers[0].transport, "y");
    assert_eq!(plan.referers[1].transport, "a");
}

#[test]
fn of_several_servers_or_clients_one_has_to_be_named() {
    let told = mistakes(
        users()
            .server(ServerConfig::new("a"))
            .server(ServerConfig::new("b"))
            .client(ClientConfig::new("x"))
            .client(ClientConfig::new("y"))
            .referer_with(referer("us"))
            .referer_with(referer("push").reverse(true)),
    );
    assert_eq!(
        told,
        [
            "service.Users.transport: name the server; there are: a, b",
            "referer.us.transport: name the client; there are: x, y",
            "referer.push.transport: name the server; there are: a, b",
        ]
    );
}

#[test]
fn two_applications_share_nothing() {
    let changed = planned(users().set("server.default.port", 1));
    let plain = planned(users());
    assert_eq!((changed.servers[0].port, plain.servers[0].port), (1, 5600));
}
