//! Services that are known by descriptor sets alone.

use tangelo_reflect::compile::compile;

use super::*;

const PROTO: &str = "syntax = \"proto3\";\npackage shop;\nimport \"krpcext.proto\";\n\
    message Req { string name = 1; }\nmessage Res { int32 retCode = 1; }\n\
    service Orders { option (krpc.serviceId) = 200;\n\
    rpc place(Req) returns (Res) { option (krpc.msgId) = 1; }\n\
    rpc cancel(Req) returns (Res) { option (krpc.msgId) = 2; } }\n";

/// A folder with `orders.proto.pb` and this as `tangelo.toml`.
fn folder(text: &str) -> Folder {
    folder_of(PROTO, text)
}

fn folder_of(proto: &str, text: &str) -> Folder {
    let folder = Folder::with(&[("orders.proto", proto), ("tangelo.toml", text)]);
    let none: [&Path; 0] = [];
    let mut compiled = compile(&[folder.path("orders.proto")], &none).unwrap();
    fs::write(
        folder.path("orders.proto.pb"),
        compiled.descriptor_set(false),
    )
    .unwrap();
    folder
}

fn read(text: &str) -> Result<Plan, Vec<String>> {
    let folder = folder(text);
    plan(
        Bootstrap::new("test").file(folder.path("tangelo.toml")),
        &folder,
    )
}

#[track_caller]
fn right(text: &str) -> Plan {
    match read(text) {
        Ok(plan) => plan,
        Err(mistakes) => panic!("{mistakes:#?}"),
    }
}

#[track_caller]
fn wrong(text: &str) -> Vec<String> {
    match read(text) {
        Ok(_) => panic!("nothing is wrong"),
        Err(mistakes) => mistakes,
    }
}

#[test]
fn a_referer_is_declared_by_its_services_number_or_interface() {
    for (told, id) in [
        ("id = \"os\"\nservice_id = 200", "os"),
        ("id = \"os\"\ninterface = \"Orders\"", "os"),
        ("id = \"os\"\ninterface = \"shop.Orders\"", "os"),
        ("interface = \"Orders\"", "Orders"),
        ("service_id = 200", "Orders"),
    ] {
        // Wherever the sets are named, they are read first.
        let plan = right(&format!(
            "descriptors = [\"orders.proto.pb\"]\n[[referer]]\n{told}\ndirect = \"10.0.0.1:1\""
        ));
        let referer = &plan.referers[0];
        assert_eq!((&*referer.id, referer.service_id), (id, 200), "{told}");
        assert_eq!(referer.direct, ["10.0.0.1:1"]);
    }
}

#[test]
fn a_folder_of_sets_is_read_too_and_paths_begin_where_the_file_lies() {
    let plan = right("descriptors = \".\"\n[[referer]]\nservice_id = 200");
    assert!(plan.pool.service(200).is_some());
}

#[test]
fn a_set_that_is_not_there_is_told_with_its_line() {
    let told = wrong("\ndescriptors = [\"orders.proto.pb\", \"x.proto.pb\"]");
    assert!(
        told.len() == 1 && told[0].starts_with("tangelo.toml:2: descriptors: x.proto.pb: "),
        "{told:?}"
    );
    let told = wrong("descriptors = \"orders.proto\"");
    assert!(
        told[0].starts_with("tangelo.toml:1: descriptors: orders.proto: "),
        "{told:?}"
    );
    assert_eq!(
        wrong("descriptors = 5"),
        ["tangelo.toml:1: descriptors: expected a list of texts, or one text with commas, found 5"]
    );
}

#[test]
fn a_service_that_no_set_has_is_a_mistake() {
    assert_eq!(
        wrong("descriptors = \".\"\n[[referer]]\nid = \"us\"\ninterface = \"Users\""),
        [
            "tangelo.toml:4: referer.us.interface: the descriptors have no service `Users`; there \
             are: shop.Orders"
        ]
    );
    assert_eq!(
        wrong("descriptors = \".\"\n[[referer]]\nid = \"us\"\nservice_id = 100"),
        [
            "tangelo.toml:4: referer.us.service_id: nothing is known of service 100: load its \
             descriptor set (descriptors)"
        ]
    );
}

#[test]
fn number_and_interface_together_are_one_too_many() {
    let both =
        "descriptors = \".\"\n[[referer]]\nid = \"os\"\nservice_id = 200\ninterface = \"Orders\"";
    assert_eq!(
        wrong(both),
        ["tangelo.toml:5: referer.os.interface: give this or service_id, not both"]
    );
}

#[test]
fn methods_and_hashed_fields_are_looked_for_in_the_set() {
    let begin = "descriptors = \".\"\n[[referer]]\nservice_id = 200\n";
    assert_eq!(
        wrong(&format!(
            "{begin}load_balance = \"hash:hashField=id\"\nmethod = [{{ pattern = \"3\" }}]"
        )),
        [
            "tangelo.toml:4: referer.Orders.load_balance: no request of Orders has a field `id`",
            "tangelo.toml:5: referer.Orders.method.3: there is no message 3; there are: place = 1, \
             cancel = 2",
        ]
    );
    right(&format!(
        "{begin}load_balance = \"hash:hashField=name\"\nmethod = [{{ pattern = \"1-2\" }}]"
    ));
}

#[test]
fn code_may_name_the_set_and_the_file_the_referer() {
    let folder = folder("[[referer]]\nid = \"os\"\ninterface = \"Orders\"");
    let bootstrap = Bootstrap::new("test")
        .descriptors(folder.path("orders.proto.pb"))
        .file(folder.path("tangelo.toml"));
    assert_eq!(planned(bootstrap).referers[0].service_id, 200);
    let plan = planned(
        Bootstrap::new("test")
            .descriptors(&folder.0)
            .dynamic_referer("os", 200, ""),
    );
    assert_eq!(plan.referers[0].direct, ["127.0.0.1:5600"]);
}

#[test]
fn validation_rules_that_cannot_work_are_told_before_anything_starts() {
    let proto = PROTO.replace(
        "string name = 1;",
        "string name = 1 [(krpc.vld).length = \"x\"];",
    );
    let folder = folder_of(&proto, "");
    let bootstrap = Bootstrap::new("test")
        .service(Users::<200>)
        .descriptors(folder.path("orders.proto.pb"));
    let told = mistakes(bootstrap);
    let begins = [
        "service.Users.place (krpc.vld): ",
        "service.Users.cancel (krpc.vld): ",
    ];
    assert_eq!(told.len(), 2, "{told:?}");
    for (told, begin) in told.iter().zip(begins) {
        assert!(told.starts_with(begin) && told.contains("name"), "{told}");
    }
}

#[test]
fn the_file_that_the_page_for_krpc_shows_is_right() {
    struct UserService;
    impl Definition for UserService {
        const SERVICE_ID: i32 = 100;
        const NAME: &'static str = "UserService";
        const METHODS: &'static [Method] = &[method(1, "login")];
    }
    impl Service for UserService {
        fn call(&self, _request: Request) -> Answer {
            Box::pin(async { Err(Code::NOT_FOUND.into()) })
        }
    }
    let page = include_str!("../../../../../docs/krpc.md");
    let (_, shown) = page.split_once("```toml\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let folder = folder_of(&PROTO.replace("Orders", "OrderService"), shown);
    fs::create_dir(folder.path("proto")).unwrap();
    let set = folder.path("proto/orders.proto.pb");
    fs::rename(folder.path("orders.proto.pb"), set).unwrap();
    let bootstrap = Bootstrap::new("test").service(UserService);
    let plan = planned(bootstrap.file(folder.path("tangelo.toml")));
    assert_eq!(
        (plan.servers[0].max_conns, plan.referers[0].service_id),
        (10_000, 200)
    );
}
