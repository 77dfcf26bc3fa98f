//! A dictionary and definitions that change while clients are connected.

use std::{fs, sync::Arc, time::Duration};

use bytes::BytesMut;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tangelo::{
    App, Error,
    server::{ClientDefinitions, Handlers, Json, Limits, Result, Server, Session},
};
use tangelo_wire::pomelo::{
    message::{self, Route},
    package::Kind,
};

use crate::{
    client::{Client, DOORS, Door},
    letting_in::greet,
    world::{alone, connector, soon},
};

async fn hears(server: &Server, over: Door) -> (Client, Value) {
    let said = json!({ "sys": { "type": "js-websocket" } });
    let (mut client, mut answer) = greet(server, over, &said).await;
    client.send(Kind::HandshakeAck, b"").await;
    (client, answer["sys"].take())
}

async fn push_back(session: Session, Json(body): Json<Value>) -> Result<()> {
    session.push("onMove", &body)
}

/// Has something pushed; its route or code, and the body as it came.
async fn pushed(client: &mut Client, body: &Value) -> (std::result::Result<String, u16>, Vec<u8>) {
    let mut request = BytesMut::new();
    let (route, body) = ("connector.main.push_back", body.to_string());
    message::encode_request(1, route, body.as_bytes(), &mut request).unwrap();
    client.send(Kind::Data, &request).await;
    let (_, push) = client.package().await.unwrap();
    let push = message::decode(push).unwrap();
    let (_, _answer) = client.package().await.unwrap();
    let route = match push.route() {
        Route::Name(name) => Ok(String::from_utf8(name.to_vec()).unwrap()),
        Route::Code(code) => Err(code),
    };
    (route, push.body().to_vec())
}

const OLD: &str = r#"{"onMove": {"required uInt32 x": 1}}"#;
const NEW: &str = r#"{"onMove": {"required uInt32 x": 2}}"#;

#[tokio::test]
async fn clients_that_come_are_told_the_new_and_who_is_connected_goes_on_with_the_old() {
    let handlers = Handlers::new().add("push_back", push_back);
    let blueprint = connector(handlers).dictionary(["onStop", "onMove"]);
    let server = alone(blueprint.server_protos(OLD)).await;
    for over in DOORS {
        let old = ClientDefinitions::new().dictionary(["onStop", "onMove"]);
        let old = old.server_protos(OLD);
        let new = ClientDefinitions::new()
            .dictionary(["onMove"])
            .server_protos(NEW);
        let (mut before, told) = hears(&server, over).await;
        assert_eq!(told["dict"]["onMove"], 4);

        assert_eq!(server.context().redefine(&old), Ok(false), "the same");
        assert_eq!(server.context().redefine(&new), Ok(true));
        let (mut after, retold) = hears(&server, over).await;
        let codes = json!({"connector.main.echo": 1, "connector.main.push_back": 2, "onMove": 3});
        assert_eq!(retold["dict"], codes);
        assert_ne!(retold["dictVersion"], told["dictVersion"]);
        assert_ne!(retold["protos"]["version"], told["protos"]["version"]);
        assert_eq!(retold["protos"]["server"]["onMove"]["x"]["tag"], 2);

        let body = json!({"x": 1});
        assert_eq!(
            pushed(&mut before, &body).await,
            (Err(4), b"\x08\x01".to_vec())
        );
        assert_eq!(
            pushed(&mut after, &body).await,
            (Err(3), b"\x10\x01".to_vec())
        );

        assert_eq!(
            server.context().redefine(&ClientDefinitions::new()),
            Ok(true)
        );
        let (mut none, told) = hears(&server, over).await;
        assert!(told.get("protos").is_none() && told["dict"].get("onMove").is_none());
        let json = (Ok("onMove".to_owned()), b"{\"x\":1}".to_vec());
        assert_eq!(pushed(&mut none, &body).await, json);
        assert_eq!(
            pushed(&mut before, &body).await,
            (Err(4), b"\x08\x01".to_vec())
        );
        assert_eq!(server.context().redefine(&old), Ok(true));
    }
}

#[tokio::test]
async fn definitions_with_a_mistake_change_nothing() {
    let server = alone(
        connector(Handlers::new())
            .dictionary(["onMove"])
            .server_protos(OLD),
    )
    .await;
    let (_, told) = hears(&server, Door::Tcp).await;
    let blank = ClientDefinitions::new;
    for (bad, problem) in [
        (blank().client_protos("{"), "client_protos: no definitions"),
        (
            blank().server_protos(r#"{"on": {"required there x": 1}}"#),
            "there is no type",
        ),
        (blank().decode_io_protos("[", "{}"), "decode_io_protos"),
        (
            blank().server_protos(OLD).decode_io_protos("{}", "{}"),
            "not both",
        ),
        (blank().dictionary([""]), "an empty route"),
        (
            blank().dictionary((0..65_535).map(|n| n.to_string())),
            "65536 routes",
        ),
    ] {
        let error = server.context().redefine(&bad).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
        assert_eq!(hears(&server, Door::Tcp).await.1, told);
    }
}

#[tokio::test]
async fn a_server_that_tells_none_is_not_made_to() {
    let blueprint = connector(Handlers::new()).use_protobuf(false);
    let server = alone(blueprint).await;
    let new = ClientDefinitions::new()
        .dictionary(["onMove"])
        .server_protos(NEW);
    assert_eq!(server.context().redefine(&new), Ok(false));
    assert_eq!(hears(&server, Door::Tcp).await.1, json!({}));
}

#[tokio::test(start_paused = true)]
async fn where_definitions_come_from_is_read_again_and_what_is_wrong_there_changes_nothing() {
    type Read = Result<Option<ClientDefinitions>, &'static str>;
    let next: Arc<Mutex<Read>> = Arc::new(Mutex::new(Ok(None)));
    let reads = Arc::clone(&next);
    let blueprint = connector(Handlers::new()).server_protos(OLD);
    let server = alone(blueprint.definitions_from(move || match &*reads.lock() {
        Ok(read) => Ok(read.clone()),
        Err("panic") => panic!("it may"),
        Err(problem) => Err(Error::new(*problem)),
    }))
    .await;
    let tag = async || {
        let (_, told) = hears(&server, Door::Tcp).await;
        told["protos"]["server"]["onMove"]["x"]["tag"].clone()
    };
    for wrong in [Err("not there"), Err("panic"), Ok(None)] {
        *next.lock() = wrong;
        tokio::time::sleep(Limits::REREAD_DEFINITIONS * 2).await;
        assert_eq!(tag().await, 1);
    }
    *next.lock() = Ok(Some(ClientDefinitions::new().server_protos(NEW)));
    soon("they are read", async {
        while tag().await != 2 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_application_reads_changed_files_of_its_folder_again() {
    let folder = std::env::temp_dir().join(format!("tangelo-definitions-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let servers = r#"{"connector": [{"id": "connector-1", "clientPort": 0, "frontend": true}]}"#;
    write("servers.json", servers);
    write("dictionary.json", r#"["onMove"]"#);
    write("serverProtos.json", OLD);
    let app = App::new().config(&folder).server("connector", |server| {
        server
            .heartbeat(None)
            .client_protos(r#"{"a.b.c": {"optional string s": 1}}"#)
    });
    let running = app.start().await.unwrap();
    let server = running.server("connector-1").unwrap();
    let sys = async || hears(server, Door::Tcp).await.1;
    assert_eq!(sys().await["dict"], json!({"onMove": 1}));

    // Half a file.
    write("dictionary.json", r#"["onMove", "#);
    tokio::time::sleep(Limits::REREAD_DEFINITIONS * 2).await;
    assert_eq!(sys().await["dict"], json!({"onMove": 1}));

    write("dictionary.json", r#"["onMove", "onStop"]"#);
    write(
        "serverProtos.json",
        r#"{"onStop": {"required uInt32 x": 2}}"#,
    );
    soon("they are read", async {
        while sys().await["dict"] != json!({"onMove": 1, "onStop": 2}) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    let told = sys().await;
    assert!(told["protos"]["server"].get("onMove").is_none());
    assert_eq!(told["protos"]["server"]["onStop"]["x"]["tag"], 2);
    // What the code says stays.
    assert_eq!(told["protos"]["client"]["a.b.c"]["s"]["tag"], 1);
    fs::remove_dir_all(&folder).unwrap();
    running.shutdown(Duration::ZERO).await;
}
