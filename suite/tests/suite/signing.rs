//! Messages that old clients sign.

use bytes::BytesMut;
use serde_json::{Value, json};
use tangelo::server::{Blueprint, Handlers, Json, Server};
use tangelo_wire::pomelo::{message, package::Kind};

use crate::{
    client::{Client, DOORS, Door},
    letting_in::{greet, is_turned_away},
    world::{Heard, alone, connector},
};

const ECHO: &str = "connector.main.echo";
/// A key of 1024 bits, as clients make them; and what Node signs with it of these texts.
const MODULUS: &str = "d2080fe076bc11bc1ba643c71114014b28328c248df445bfab059fe3c041851dad626f4e03877f61caa292cff76d39ef8dca72036be1c2272dd5315f63d88c46951d38b2c2d1a396cf5203e431fb85af863b3986d5ee3daf29c542239922ab7f6e48a8fbfe90d015f29cbd049e7c6e11560dee085045461c39871f26ecd7ff59";
const PLAIN: (&str, &str) = (
    r#"{"n":1,"b":[true,null],"a":"x"}"#,
    "9ab6a1460075c6cc4b814fc50269233d7db79dc6316c5f829c2c6d218e8472561f12c11712be7f566964962384ad9f918cebd0bd5068558642addf30f85236bd3dabb4ed38b22837df54233daa31dff462f5c220764b3168fef0d509705f7f5051b1ce75b59048e98629d54e14534ba9c56f860f815238430134fb207ad9d8bf",
);
const CHINESE: (&str, &str) = (
    r#"{"text":"大家好 é"}"#,
    "92ccc7d5e0ec1c2141ee3ecd9ddc1bc83383b7cdbc52f9ca06ef5f1b2514e3b4992c1c282fd9ac3f0a030af52a5248690361ddd66328d6748f67fca944f456633bae8f7f3ac1a1ab838a274814c2371e9e7097be6b580a6c4bcf6ae2cc747473fd0acb4e39b0b151da619a5140d7089960de3445aced47ed62f9990f572532a8",
);
const SMILE: (&str, &str) = (
    "{\"text\":\"\u{1f600}\"}",
    "4621208beb13f8b6743e42e80ffc5b394a2d1257f87555da0c21930f6d38337bff881d278a49cbd3cdf347433dadc8cab9d502e06b78fb19fdf7b634d8436b57a7696a7fdd641bc6161066cf389b3604d91097ef058ee8c39aa54bdb534b6784952824f66f03b33da6779b76f725691a301d12cd4a92937e257d6d7eaf6507d6",
);
/// The same by a client that encodes each UTF-16 unit alone.
const SMILE_IN_UNITS: &str = "4afa7dd867a67fe00c4ed24a22edc2c26258849072c55142cdb24238fb7af72f15cd05af413a54d04c48775cd2e24f057c3f233b279154e833060e48ae773082c486c5d9aefc541b7d938ac2e6fa7971360b9846568eefd25cb6c01db8c170d4771d796fe33369a066dcc0b111a9ca20662d998ae7f128aa5a44e0c2c359aebe";
const EMPTY: (&str, &str) = (
    "{}",
    "6e65f928b0eb25b00cd3b081e75aff1e327c2f34cf4cbaf0d31233f9f7f28371bf37e10be887e3d5ba05bcc4016acbe72b83acb763f697248b9dd646dab1363a89b09d5418167ee23fa33f05cfb9ed9d28bb558d88ecf07ac3d1b4a0b793e1bd239fc36ceeeeef74fa193626a80adca1b45389feb599d50cb8f14807d4a5f5bb",
);

fn signing(handlers: Handlers) -> Blueprint {
    connector(handlers).use_crypto(true)
}

async fn signer(server: &Server, over: Door) -> Client {
    let rsa = json!({"rsa_n": MODULUS, "rsa_e": "10001"});
    let said = json!({"sys": {"type": "js-websocket", "rsa": rsa}});
    let (mut client, answer) = greet(server, over, &said).await;
    assert_eq!(answer["code"], 200);
    client.send(Kind::HandshakeAck, b"").await;
    client
}

/// As clients add it.
fn signed(body: &[u8], signature: &str) -> Vec<u8> {
    let comma = if body == b"{}" { "" } else { "," };
    let mut signed = body[..body.len() - 1].to_vec();
    signed.extend_from_slice(format!("{comma}\"__crypto__\":\"{signature}\"}}").as_bytes());
    signed
}

async fn request(client: &mut Client, id: u32, body: &[u8]) -> Value {
    let mut out = BytesMut::new();
    message::encode_request(id, ECHO, body, &mut out).unwrap();
    client.send(Kind::Data, &out).await;
    client.reply(id).await
}

#[tokio::test]
async fn what_is_signed_arrives_without_the_signature() {
    let server = alone(signing(Handlers::new())).await;
    for over in DOORS {
        let mut client = signer(&server, over).await;
        for (body, signature) in [PLAIN, CHINESE, SMILE, EMPTY] {
            let expected: Value = serde_json::from_str(body).unwrap();
            for signature in [signature.to_owned(), signature.to_uppercase()] {
                let echo = request(&mut client, 1, &signed(body.as_bytes(), &signature)).await;
                assert_eq!(echo, expected);
            }
        }
        let old = b"{\"text\":\"\xed\xa0\xbd\xed\xb8\x80\"}";
        let echo = request(&mut client, 3, &signed(old, SMILE_IN_UNITS)).await;
        assert_eq!(echo, json!({"text": "\u{1f600}"}));
    }
}

#[tokio::test]
async fn what_is_not_signed_is_answered_400_and_a_notify_dropped() {
    let mut heard = Heard::new();
    let tell = heard.teller();
    let tell = move |Json(body): Json<Value>| {
        tell(body);
        std::future::ready(())
    };
    let server = alone(signing(Handlers::new().add("tell", tell))).await;
    for over in DOORS {
        let mut client = signer(&server, over).await;
        let (body, signature) = PLAIN;
        let other = body.replace('x', "y");
        let changed = format!("0{}", &signature[1..]);
        let longer = format!("01{signature}");
        for bad in [
            body.as_bytes().to_vec(),
            signed(other.as_bytes(), signature),
            signed(body.as_bytes(), &changed),
            signed(body.as_bytes(), &signature[2..]),
            signed(body.as_bytes(), &longer),
            signed(body.as_bytes(), ""),
            signed(body.as_bytes(), "no digits"),
            signed(body.as_bytes(), EMPTY.1),
            b"{\"__crypto__\":{}}".to_vec(),
            b"[1]".to_vec(),
            b"".to_vec(),
        ] {
            assert_eq!(request(&mut client, 1, &bad).await["code"], 400);
            let mut out = BytesMut::new();
            message::encode_notify("connector.main.tell", &bad, &mut out).unwrap();
            client.send(Kind::Data, &out).await;
        }
        let mut out = BytesMut::new();
        let good = signed(body.as_bytes(), signature);
        message::encode_notify("connector.main.tell", &good, &mut out).unwrap();
        client.send(Kind::Data, &out).await;
        assert_eq!(heard.next("the good one").await["n"], 1);
        heard.is_silent();
    }
}

#[tokio::test]
async fn who_names_no_key_is_refused_and_a_useless_one_signs_nothing() {
    let server = alone(signing(Handlers::new())).await;
    for rsa in [
        json!(null),
        json!({}),
        json!({"rsa_n": "x", "rsa_e": "10001"}),
        json!({"rsa_n": "f".repeat(1025), "rsa_e": "10001"}),
    ] {
        let said = json!({"sys": {"rsa": rsa}});
        is_turned_away(&server, Door::Tcp, &said, json!({ "code": 500 })).await;
    }
    for (n, e) in [("1", "10001"), ("f", "1"), (MODULUS, "1"), (MODULUS, "2")] {
        let said = json!({"sys": {"rsa": {"rsa_n": n, "rsa_e": e}}});
        let (mut client, _) = greet(&server, Door::Tcp, &said).await;
        client.send(Kind::HandshakeAck, b"").await;
        let (body, signature) = PLAIN;
        for signature in [signature, "0", "1"] {
            let body = signed(body.as_bytes(), signature);
            assert_eq!(request(&mut client, 1, &body).await["code"], 400, "{n} {e}");
        }
    }
}

#[tokio::test]
async fn codes_for_routes_and_signatures_go_together() {
    let server = alone(signing(Handlers::new()).dictionary(["onMove"])).await;
    let mut client = signer(&server, Door::WebSocket).await;
    let (body, signature) = PLAIN;
    let mut out = vec![1, 7, 0, 1];
    out.extend_from_slice(&signed(body.as_bytes(), signature));
    client.send(Kind::Data, &out).await;
    assert_eq!(client.reply(7).await["a"], "x");
    client.send(Kind::Data, b"\x01\x08\x00\x01{}").await;
    assert_eq!(client.reply(8).await["code"], 400);
}

#[tokio::test]
async fn where_nobody_asks_for_signatures_a_key_means_nothing() {
    let server = alone(connector(Handlers::new())).await;
    let mut client = signer(&server, Door::Tcp).await;
    let body = signed(PLAIN.0.as_bytes(), "00");
    assert_eq!(request(&mut client, 1, &body).await["__crypto__"], "00");
    assert_eq!(request(&mut client, 2, b"[7]").await, json!([7]));
}
