//! From a message to HTTP, rule by rule.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod shop;

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Value, json};
use tangelo_gateway::mapping::{
    DownloadSource, JsonForm, RenderError, Rendered, ResponsePlan, SessionChange,
};
use tangelo_reflect::{MessageDescriptor, value_to_body};

static RES: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let messages = "enum Color { NONE = 0; RED = 1; }\n\
        message Req { int32 a = 1; }\n\
        message User { string name = 1; int32 age = 2; User best = 3; }\n\
        message Login { string userId = 1; string loginFlag = 2; int64 level = 3; }\n\
        message Res { int64 total = 9; int32 retCode = 1; string retMsg = 2; bool sure = 3; Color color = 4; bytes data = 5;\n\
          repeated int32 ids = 6; map<string, int32> counts = 7; User user = 8; repeated User users = 10; double part = 11;\n\
          optional int32 maybe = 12; string nick_name = 13; oneof way { string road = 14; int32 rail = 15; }\n\
          google.protobuf.Timestamp at = 16; uint64 huge = 17; float small = 18;\n\
          int32 httpCode = 30; string httpContentType = 31; string headerXmmDddCcc = 32; int32 headerXCount = 33; string cookietheme = 34;\n\
          string cookieJSESSIONID = 35; Login session = 36; string headerContentLength = 37; string headerSetCookie = 38;\n\
          repeated string headerX = 39; string cookies = 40; string downloadFile = 41; bytes downloadStream = 42; string attachment = 43;\n\
          bool autoDelete = 44; string filename = 45; string headerTransferEncoding = 46; string attach = 47; }";
    shop::types("response", messages).1
});

fn body(message: &Value) -> Bytes {
    value_to_body(&RES, message).unwrap()
}

fn plan(form: JsonForm) -> ResponsePlan {
    ResponsePlan::compile(&RES, form).protect_cookie("JSESSIONID")
}

/// Both ways: straight, and through the map that plugins may change.
fn rendered(message: &Value) -> Rendered {
    let plan = plan(JsonForm::KRPC);
    let body = body(message);
    let straight = plan.render(&body).unwrap();
    let mut through = plan.render_map(plan.to_map(&body).unwrap()).unwrap();
    // What lies below is by name there.
    assert_eq!(json_of(&through), json_of(&straight));
    through.json = straight.json.clone();
    assert_eq!(through, straight);
    straight
}

fn json_of(rendered: &Rendered) -> Value {
    serde_json::from_slice(&rendered.json).unwrap()
}

const NOTHING: &str =
    r#"{"total":0,"retCode":0,"sure":false,"color":0,"counts":{},"part":0.0,"huge":0,"small":0.0}"#;

#[test]
fn numbers_booleans_enums_and_maps_are_always_there_in_the_order_of_the_proto_file() {
    assert_eq!(rendered(&json!({})).json, NOTHING);
    let full = json!({
        "total": "-9007199254740993", "retCode": -5, "retMsg": "a\"\n", "sure": true, "color": "RED", "data": "AP8=", "ids": [1, -2],
        "counts": { "b": 1, "a": 2 }, "user": { "best": { "age": 3 } }, "users": [{}, { "name": "x" }], "part": 0.1, "maybe": 0,
        "nick_name": "n", "rail": 0, "at": "1970-01-01T00:00:01Z", "huge": "18446744073709551615", "small": 0.1,
    });
    assert_eq!(
        rendered(&full).json,
        "{\"total\":-9007199254740993,\"retCode\":-5,\"retMsg\":\"a\\\"\\n\",\"sure\":true,\"color\":1,\"data\":[0,255],\"ids\":[1,-2],\
          \"counts\":{\"a\":2,\"b\":1},\"user\":{\"age\":0,\"best\":{\"age\":3}},\"users\":[{\"age\":0},{\"name\":\"x\",\"age\":0}],\"part\":0.1,\
          \"maybe\":0,\"nick_name\":\"n\",\"rail\":0,\"at\":{\"seconds\":1,\"nanos\":0},\"huge\":18446744073709551615,\"small\":0.1}"
    );
    assert_eq!(rendered(&full).ret_code, -5);
}

#[test]
fn what_json_has_no_number_for_is_a_string() {
    for (part, text) in [
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
    ] {
        let json = json_of(&rendered(&json!({ "part": part, "small": part })));
        assert_eq!(
            (&json["part"], &json["small"]),
            (&json!(text), &json!(text))
        );
    }
}

#[test]
fn the_standard_form_is_protobufs() {
    let message = json!({
        "total": "-5", "color": "RED", "data": "AP8=", "nick_name": "n", "at": "1970-01-01T00:00:01Z", "huge": "18446744073709551615", "sure": false,
    });
    let json = plan(JsonForm::STANDARD)
        .render(&body(&message))
        .unwrap()
        .json;
    assert_eq!(
        json,
        r#"{"total":"-5","color":"RED","data":"AP8=","nickName":"n","at":"1970-01-01T00:00:01Z","huge":"18446744073709551615"}"#
    );
    assert_eq!(
        plan(JsonForm::STANDARD).render(&Bytes::new()).unwrap().json,
        "{}"
    );
    let strings = JsonForm {
        int64_strings: true,
        ..JsonForm::KRPC
    };
    let json = plan(strings).render(&body(&message)).unwrap();
    assert_eq!(
        (&json_of(&json)["total"], &json_of(&json)["color"]),
        (&json!("-5"), &json!(1))
    );
}

#[test]
fn special_fields_become_http_and_leave_the_json() {
    let said = rendered(&json!({
        "httpCode": 201, "httpContentType": "text/plain; charset=gbk", "headerXmmDddCcc": "ü v", "headerXCount": -3, "cookietheme": "dark^path=/", "cookies": "c",
    }));
    assert_eq!(said.status.unwrap(), 201);
    assert_eq!(
        said.content_type.clone().unwrap(),
        "text/plain; charset=gbk"
    );
    let headers: Vec<_> = said
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    assert_eq!(
        headers,
        [("xmm-ddd-ccc", "ü v".as_bytes()), ("x-count", b"-3")]
    );
    assert_eq!(said.cookies, ["theme=dark; Path=/; HttpOnly"]);
    assert!(said.refused.is_empty());
    let rest = NOTHING.trim_end_matches('}');
    assert_eq!(said.json, format!("{rest},\"cookies\":\"c\"}}"));
}

#[test]
fn special_fields_that_say_nothing_do_nothing() {
    let said = rendered(
        &json!({ "httpCode": -1, "headerXmmDddCcc": "", "headerXCount": 0, "cookietheme": "", "downloadFile": "", "attachment": "1" }),
    );
    assert_eq!(said.json, NOTHING);
    assert!(
        said.status.is_none()
            && said.headers.is_empty()
            && said.cookies.is_empty()
            && said.download.is_none()
            && said.refused.is_empty()
    );
}

#[test]
fn headers_that_frame_an_answer_stay_in_the_json_as_do_lists() {
    let said = rendered(
        &json!({ "headerContentLength": "0", "headerSetCookie": "JSESSIONID=x", "headerTransferEncoding": "chunked", "headerX": ["a"] }),
    );
    assert!(said.headers.is_empty() && said.cookies.is_empty());
    let json = json_of(&said);
    assert_eq!(json["headerContentLength"], "0");
    assert_eq!(json["headerSetCookie"], "JSESSIONID=x");
    assert_eq!(json["headerTransferEncoding"], "chunked");
    assert_eq!(json["headerX"], json!(["a"]));
}

#[test]
fn a_content_type_has_letters_of_ascii_alone() {
    let said = rendered(&json!({ "httpContentType": "text/plain; charset=utf-8" }));
    assert_eq!(said.content_type.unwrap(), "text/plain; charset=utf-8");
    let said = rendered(&json!({ "httpContentType": "text/plain; name=ü" }));
    assert!(said.content_type.is_none());
    assert_eq!(said.refused[0].why, "no content type");
}

#[test]
fn nothing_is_injected_into_headers_and_cookies() {
    for evil in ["a\r\nSet-Cookie: b=c", "a\nb", "a\rb", "a\0b", "\u{7f}"] {
        let said = rendered(
            &json!({ "headerXmmDddCcc": evil, "cookietheme": evil, "httpContentType": evil, "retCode": 7 }),
        );
        assert!(said.headers.is_empty() && said.cookies.is_empty() && said.content_type.is_none());
        let refused: Vec<_> = said
            .refused
            .iter()
            .map(|refused| (refused.field.as_str(), refused.why))
            .collect();
        assert_eq!(
            refused,
            [
                ("httpContentType", "what no header can hold"),
                ("headerXmmDddCcc", "what no header can hold"),
                ("cookietheme", "what no cookie can hold")
            ]
        );
        // The answer is given nevertheless.
        assert_eq!(said.ret_code, 7);
    }
    let said =
        rendered(&json!({ "cookieJSESSIONID": "chosen", "cookietheme": "a; Domain=evil.org" }));
    assert!(said.cookies.is_empty());
    assert_eq!(said.refused.len(), 2);
}

#[test]
fn a_status_is_one_that_ends_an_answer() {
    for (code, status) in [
        (0, None),
        (-1, None),
        (200, Some(200)),
        (404, Some(404)),
        (999, Some(999)),
        (100, None),
        (199, None),
        (1000, None),
        (65_736, None),
    ] {
        let said = rendered(&json!({ "httpCode": code }));
        assert_eq!(said.status.map(|status| status.as_u16()), status, "{code}");
        assert_eq!(
            said.refused.is_empty(),
            code <= 0 || status.is_some(),
            "{code}"
        );
    }
}

#[test]
fn a_session_is_merged_with_its_defaults_or_removed() {
    let session = |session: Value| rendered(&json!({ "session": session })).session;
    let values =
        |values: [(&str, &str); 3]| values.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    assert_eq!(rendered(&json!({})).session, None);
    assert_eq!(
        session(json!({ "userId": "a", "loginFlag": "1", "level": "9007199254740993" })),
        Some(SessionChange::Merge(values([
            ("userId", "a"),
            ("loginFlag", "1"),
            ("level", "9007199254740993")
        ])))
    );
    assert_eq!(
        session(json!({})),
        Some(SessionChange::Merge(values([
            ("userId", ""),
            ("loginFlag", ""),
            ("level", "0")
        ])))
    );
    assert_eq!(
        session(json!({ "userId": "a", "loginFlag": "0" })),
        Some(SessionChange::Remove)
    );
    let plan = plan(JsonForm::STANDARD);
    assert_eq!(
        plan.session_names().collect::<Vec<_>>(),
        ["userId", "loginFlag", "level"]
    );
    let standard = plan
        .render(&body(&json!({ "session": { "level": "5" } })))
        .unwrap();
    assert_eq!(
        standard.session,
        Some(SessionChange::Merge(values([
            ("userId", ""),
            ("loginFlag", ""),
            ("level", "5")
        ])))
    );
}

#[test]
fn a_download_is_a_path_or_the_bytes() {
    let file = rendered(&json!({ "downloadFile": "/a/b", "attachment": "1", "autoDelete": true, "filename": "x\"y" })).download.unwrap();
    assert_eq!(
        file.source,
        DownloadSource::File {
            path: "/a/b".to_owned(),
            auto_delete: true
        }
    );
    assert_eq!(
        (file.attachment, file.filename.as_deref()),
        (true, Some("x\"y"))
    );
    let said = rendered(&json!({ "downloadStream": "AP8=", "attachment": "0" }));
    let stream = said.download.unwrap();
    assert_eq!(
        (stream.source, stream.attachment),
        (DownloadSource::Bytes(vec![0, 255].into()), false)
    );
    assert_eq!(said.json, NOTHING);
}

#[test]
fn a_plugin_changes_what_is_rendered() {
    let plan = plan(JsonForm::KRPC);
    let mut map = plan
        .to_map(&body(&json!({ "retCode": 3, "retMsg": "a" })))
        .unwrap();
    map.insert("added".to_owned(), json!({ "b": 1 }));
    map.insert("httpCode".to_owned(), 404.into());
    map.insert("retMsg".to_owned(), "changed".into());
    map.retain(|name, _| ["added", "httpCode", "retMsg", "retCode"].contains(&name.as_str()));
    let said = plan.render_map(map).unwrap();
    assert_eq!(
        said.json,
        r#"{"retCode":3,"retMsg":"changed","added":{"b":1}}"#
    );
    assert_eq!((said.status.unwrap().as_u16(), said.ret_code), (404, 3));
}

#[test]
fn fields_may_come_in_any_order_more_than_once_in_parts_and_unknown() {
    let parts = [
        json!({ "ids": [1], "user": { "name": "a", "best": { "name": "b" } }, "road": "r", "counts": { "x": 1 } }),
        json!({ "retCode": 4, "ids": [2], "user": { "age": 5, "best": { "age": 6 } }, "rail": 7, "counts": { "x": 2, "w": 3 } }),
    ];
    let mut bytes = parts.map(|part| body(&part)).concat();
    // Field 6 not packed; field 99.
    bytes.extend([0x30, 3, 0x98, 0x06, 1]);
    let json = json_of(&plan(JsonForm::KRPC).render(&bytes.into()).unwrap());
    assert_eq!(json["ids"], json!([1, 2, 3]));
    assert_eq!(
        json["user"],
        json!({ "name": "a", "age": 5, "best": { "name": "b", "age": 6 } })
    );
    assert_eq!(json["counts"], json!({ "w": 3, "x": 2 }));
    assert_eq!((json.get("road"), &json["rail"]), (None, &json!(7)));
}

#[test]
fn what_is_no_message_is_the_services_fault() {
    for bytes in [
        &b"\x08"[..],
        b"\x12\x05a",
        b"\x12\x01\xff",
        b"\x0a\x00",
        b"\x42\x02\x08\x01",
        b"\x3a\x02\x0a\xff",
        b"\x33",
        b"\x32\x01\xff",
    ] {
        let error = plan(JsonForm::KRPC)
            .render(&Bytes::from_static(bytes))
            .unwrap_err();
        assert!(
            matches!(&error, RenderError::Message { message, .. } if message == "shop.Res"),
            "{bytes:?}: {error}"
        );
    }
}

#[test]
fn deep_and_long_answers_end_at_their_limits() {
    let deep = |levels: usize| {
        let mut user = json!({});
        for _ in 1..levels {
            user = json!({ "best": user });
        }
        plan(JsonForm::KRPC).render(&nested(levels))
    };
    assert!(deep(63).is_ok());
    assert_eq!(deep(64).unwrap_err(), RenderError::TooDeep);
    let text = body(&json!({ "retMsg": "x".repeat(100) }));
    let length = plan(JsonForm::STANDARD).render(&text).unwrap().json.len();
    // The brace that ends it is not counted.
    assert!(
        plan(JsonForm::STANDARD)
            .max_json(length - 1)
            .render(&text)
            .is_ok()
    );
    assert_eq!(
        plan(JsonForm::STANDARD)
            .max_json(length - 2)
            .render(&text)
            .unwrap_err(),
        RenderError::TooLong(length - 2)
    );
    // Two bytes each, and ten as JSON.
    let many: Bytes = [0x52, 0].repeat(1 << 20).into();
    assert_eq!(
        plan(JsonForm::KRPC)
            .max_json(1000)
            .render(&many)
            .unwrap_err(),
        RenderError::TooLong(1000)
    );
}

/// `user` with so many users within each other.
fn nested(levels: usize) -> Bytes {
    let mut user = Vec::new();
    for _ in 1..levels {
        let mut outer = vec![0x1a];
        prost::encoding::encode_varint(user.len() as u64, &mut outer);
        outer.extend(user);
        user = outer;
    }
    let mut res = vec![0x42];
    prost::encoding::encode_varint(user.len() as u64, &mut res);
    res.extend(user);
    res.into()
}
