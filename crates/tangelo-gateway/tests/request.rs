//! From HTTP to a message, rule by rule.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod shop;

use std::{borrow::Cow, sync::LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};
use tangelo_gateway::mapping::{
    BadParameter, Body, Http, Input, JsonForm, MAX_DEPTH, MAX_KEYS, MAX_PARAMETERS, RequestPlan,
    Session, SessionValues,
};
use tangelo_reflect::{JsonOptions, MessageDescriptor, body_to_json};

static REQ: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let messages = "enum Color { NONE = 0; RED = 1; BLUE = 5; }\n\
        message User { string name = 1; int32 age = 2; repeated User friends = 3; string httpPath = 4; }\n\
        message Login { string userId = 1; int32 level = 2; }\n\
        message Req { string name = 1; int32 age = 2; int64 big = 3; uint64 huge = 4; double part = 5; float small = 6;\n\
          bool sure = 7; bytes data = 8; Color color = 9; User user = 10; repeated User users = 11; repeated int32 ids = 12;\n\
          repeated string tags = 13; map<string, int32> counts = 14; map<int32, User> byId = 15; string nick_name = 16;\n\
          optional int32 maybe = 17; oneof way { string road = 18; int32 rail = 19; } sint32 low = 20; fixed64 fixed = 21;\n\
          google.protobuf.Timestamp at = 22; repeated Color colors = 23;\n\
          string httpMethod = 30; string httpSchema = 31; string httpPath = 32; string httpHost = 33; string httpQueryString = 34;\n\
          string httpContentType = 35; bytes httpContent = 36; string sessionId = 37; Login session = 38; string headerUserAgent = 39;\n\
          int32 headerXCount = 40; string cookietheme = 41; string cookieJSESSIONID = 42; repeated string headers = 43;\n\
          string userId = 44; }\n\
        message Res { int32 retCode = 1; }";
    shop::types("request", messages).0
});

/// A request: everything that a client, the path, a plugin and the session say.
#[derive(Default)]
struct Said<'a> {
    method: Method,
    form: Option<JsonForm>,
    query: &'a str,
    kind: &'a str,
    body: &'a [u8],
    parts: Option<Value>,
    variables: &'a [(&'a str, &'a str)],
    headers: &'a [(&'static str, &'a str)],
    plugins: Option<Value>,
    session_id: Option<&'a str>,
    session: Option<&'a [(&'a str, &'a str)]>,
    session_only: &'a [&'a str],
    trim: bool,
}

impl Said<'_> {
    fn encode(&self) -> Result<bytes::Bytes, BadParameter> {
        self.with(|plan, input| plan.encode(input))
    }

    fn with<T>(&self, run: impl FnOnce(&RequestPlan, &Input<'_>) -> T) -> T {
        let mut headers = HeaderMap::new();
        if !self.kind.is_empty() {
            headers.insert("content-type", HeaderValue::from_str(self.kind).unwrap());
        }
        for (name, value) in self.headers {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        let object = |value: &Value| value.as_object().unwrap().clone();
        let plugins: Option<Map<_, _>> = self.plugins.as_ref().map(object);
        let parts: Option<Map<_, _>> = self.parts.as_ref().map(object);
        let variables = self.variables.iter().map(|(n, v)| (*n, Cow::Borrowed(*v)));
        let variables: Vec<_> = variables.collect();
        let session = self.session.map(|values| {
            let values = values
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            values.collect::<SessionValues>()
        });
        let http = Http {
            method: &self.method,
            secure: true,
            host: Some("shop.org"),
            path: "/a%20b/c",
            query: (!self.query.is_empty()).then_some(self.query),
            headers: &headers,
            content: self.body,
        };
        let input = Input {
            http,
            variables: &variables,
            body: parts.as_ref().map_or_else(|| Body::of(&http), Body::Parts),
            plugins: plugins.as_ref(),
            session: Session {
                id: self.session_id,
                values: session.as_ref(),
            },
        };
        let plan = RequestPlan::compile(&REQ, self.form.unwrap_or_default())
            .session_only(self.session_only.iter().copied())
            .trim(self.trim);
        run(&plan, &input)
    }
}

/// The message without what HTTP itself always says.
fn message(said: &Said<'_>) -> Value {
    let mut all = whole(said);
    let fields = all.as_object_mut().unwrap();
    for name in [
        "httpMethod",
        "httpSchema",
        "httpPath",
        "httpHost",
        "httpQueryString",
        "httpContentType",
        "httpContent",
    ] {
        fields.remove(name);
    }
    all
}

fn whole(said: &Said<'_>) -> Value {
    let body = said.encode().unwrap_or_else(|error| panic!("{error}"));
    let options = JsonOptions {
        int64_numbers: true,
        ..JsonOptions::default()
    };
    serde_json::from_str(&body_to_json(&REQ, &body, options).unwrap()).unwrap()
}

fn query(query: &str) -> Said<'_> {
    Said {
        query,
        ..Said::default()
    }
}

fn json_body(body: &str) -> Said<'_> {
    Said {
        kind: "application/json",
        body: body.as_bytes(),
        ..Said::default()
    }
}

fn wrong(said: &Said<'_>) -> String {
    said.encode().unwrap_err().to_string()
}

#[test]
fn a_parameter_fills_the_field_of_its_name_wherever_it_comes_from() {
    let expected = json!({ "name": "a b", "age": 7 });
    let form = "application/x-www-form-urlencoded";
    for said in [
        query("name=a+b&age=7"),
        query("name=a%20b&&age=7&unknown=1&=2"),
        Said {
            kind: form,
            body: b"name=a+b&age=7",
            ..Said::default()
        },
        Said {
            kind: "Application/X-WWW-Form-Urlencoded; charset=utf-8",
            body: b"age=7&name=a%20b",
            ..Said::default()
        },
        json_body(r#" {"name":"a b","age":7,"unknown":{"deep":[1,{}]}} "#),
        Said {
            kind: "application/json;charset=UTF-8",
            body: br#"{"age":7,"name":"a b"}"#,
            ..Said::default()
        },
        Said {
            parts: Some(json!({ "name": "a b", "age": "7" })),
            ..Said::default()
        },
        Said {
            variables: &[("name", "a b"), ("age", "7")],
            ..Said::default()
        },
        Said {
            plugins: Some(json!({ "name": "a b", "age": 7 })),
            ..Said::default()
        },
        Said {
            session: Some(&[("name", "a b"), ("age", "7")]),
            ..Said::default()
        },
    ] {
        assert_eq!(message(&said), expected);
    }
}

#[test]
fn what_has_another_type_is_content_and_no_parameters() {
    for kind in ["text/plain", "application/jsonp", "text/x+json", ""] {
        let said = Said {
            kind,
            body: br#"{"name":"a"}"#,
            ..Said::default()
        };
        assert_eq!(message(&said), json!({}), "{kind}");
    }
}

#[test]
fn json_has_several_names_and_is_no_form() {
    let said = |kind, body: &'static [u8]| Said {
        kind,
        body,
        ..Said::default()
    };
    let form = "application/x-www-form-urlencoded";
    for kind in [
        "application/json; charset=utf-8",
        "text/json",
        "application/vnd.a+json",
    ] {
        assert_eq!(
            message(&said(kind, br#"{"name":"a"}"#)),
            json!({ "name": "a" })
        );
    }
    // Of a message that has the body as it is, none is refused.
    assert_eq!(message(&said(form, br#"{"name":"a"}"#)), json!({}));
}

#[test]
fn each_source_goes_before_those_behind_it() {
    let mut said = Said {
        session: Some(&[("name", "session")]),
        plugins: Some(json!({ "name": "plugin" })),
        variables: &[("name", "variable")],
        kind: "application/json",
        body: br#"{"name":"body"}"#,
        query: "name=query",
        ..Said::default()
    };
    assert_eq!(message(&said), json!({ "name": "session" }));
    said.session = None;
    assert_eq!(message(&said), json!({ "name": "plugin" }));
    said.plugins = None;
    assert_eq!(message(&said), json!({ "name": "variable" }));
    said.variables = &[];
    assert_eq!(message(&said), json!({ "name": "body" }));
    (said.kind, said.body) = ("application/x-www-form-urlencoded", b"name=form");
    assert_eq!(message(&said), json!({ "name": "form" }));
    said.parts = Some(json!({ "name": "part" }));
    assert_eq!(message(&said), json!({ "name": "part" }));
    (said.parts, said.body) = (None, b"");
    assert_eq!(message(&said), json!({ "name": "query" }));
}

#[test]
fn null_is_absent_and_a_plugins_null_hides_what_the_client_said() {
    let mut said = json_body(r#"{"name":null,"age":null}"#);
    said.query = "name=query";
    assert_eq!(message(&said), json!({ "name": "query" }));
    said.plugins = Some(json!({ "name": null }));
    assert_eq!(message(&said), json!({}));
}

#[test]
fn the_session_wins_also_with_nothing_in_it() {
    let mut said = query("userId=mallory&age=9");
    said.session = Some(&[("userId", ""), ("age", ""), ("other", "x")]);
    assert_eq!(message(&said), json!({ "session": {} }));
    // In session modes 0 and 1 there are no values.
    said.session = None;
    assert_eq!(message(&said), json!({ "userId": "mallory", "age": 9 }));
}

#[test]
fn a_field_of_the_sessions_alone_is_never_the_clients_where_a_session_is_loaded() {
    let mut said = query("userId=mallory");
    said.session_only = &["userId", "none such"];
    assert_eq!(message(&said), json!({ "userId": "mallory" }));
    said.session = Some(&[]);
    assert_eq!(message(&said), json!({}));
    said.session = Some(&[("userId", "alice")]);
    assert_eq!(
        message(&said),
        json!({ "userId": "alice", "session": { "userId": "alice" } })
    );
}

#[test]
fn special_names_are_filled_by_http_and_the_session() {
    let said = Said {
        method: Method::POST,
        kind: "text/Plain; charset=x",
        body: b"\xff\x00",
        query: "a=%31",
        headers: &[
            ("user-agent", "curl"),
            ("x-count", "3"),
            ("x-count", ""),
            ("cookie", "a=b; theme=dark; Theme=x"),
            ("cookie", "JSESSIONID=\"s\""),
        ],
        session_id: Some("s1"),
        session: Some(&[("userId", "alice"), ("level", "3"), ("theme", "light")]),
        ..Said::default()
    };
    let mut expected = json!({
        "httpMethod": "post", "httpSchema": "https", "httpPath": "/a%20b/c", "httpHost": "shop.org", "httpQueryString": "a=%31",
        "httpContentType": "text/Plain", "httpContent": "/wA=", "sessionId": "s1", "session": { "userId": "alice", "level": 3 },
        "headerUserAgent": "curl", "cookietheme": "dark", "cookieJSESSIONID": "s", "userId": "alice",
    });
    // Twice is once with a comma, and that is no number.
    assert_eq!(wrong(&said), "headerXCount: expected int32, found a string");
    let said = Said {
        headers: &[
            ("user-agent", "curl"),
            ("x-count", "3"),
            ("cookie", "theme=dark;JSESSIONID=s"),
        ],
        ..said
    };
    expected["headerXCount"] = 3.into();
    assert_eq!(whole(&said), expected);
}

#[test]
fn a_verb_is_lower_case_and_head_is_a_get() {
    for (method, word) in [
        (Method::GET, "get"),
        (Method::HEAD, "get"),
        (Method::PUT, "put"),
        (Method::DELETE, "delete"),
        (Method::PATCH, "patch"),
    ] {
        assert_eq!(
            whole(&Said {
                method,
                ..Said::default()
            })["httpMethod"],
            word
        );
    }
}

#[test]
fn nobody_but_http_and_the_session_fills_special_names() {
    let spoofed = r#"{"httpMethod":"x","httpSchema":"x","httpPath":"x","httpHost":"x","httpQueryString":"x","httpContentType":"x",
        "httpContent":"x","sessionId":"x","session":{"userId":"x"},"headerUserAgent":"x","headerXCount":1,"cookietheme":"x","cookieJSESSIONID":"x"}"#;
    let parameters: Value = serde_json::from_str(spoofed).unwrap();
    let query: String = parameters
        .as_object()
        .unwrap()
        .keys()
        .map(|name| format!("{name}=x&"))
        .collect();
    let variables: Vec<_> = parameters
        .as_object()
        .unwrap()
        .keys()
        .map(|name| (name.as_str(), "x"))
        .collect();
    for mut said in [
        json_body(spoofed),
        Said {
            query: &query,
            ..Said::default()
        },
        Said {
            kind: "application/x-www-form-urlencoded",
            body: query.as_bytes(),
            ..Said::default()
        },
        Said {
            parts: Some(parameters.clone()),
            ..Said::default()
        },
        Said {
            plugins: Some(parameters.clone()),
            ..Said::default()
        },
        Said {
            variables: &variables,
            ..Said::default()
        },
    ] {
        assert_eq!(message(&said), json!({}));
        said.session = Some(&[
            ("sessionId", "x"),
            ("session", "x"),
            ("headerUserAgent", "x"),
            ("cookietheme", "x"),
        ]);
        assert_eq!(message(&said), json!({}));
    }
}

#[test]
fn headers_is_a_word_and_nested_messages_have_no_special_names() {
    let said = json_body(r#"{"headers":["a"],"user":{"httpPath":"b"}}"#);
    assert_eq!(
        message(&said),
        json!({ "headers": ["a"], "user": { "httpPath": "b" } })
    );
}

#[test]
fn what_a_session_keeps_as_json_says_no_field_but_its_own() {
    let mut said = Said {
        session: Some(&[("user", r#"{"name":"a"}"#), ("ids", "4")]),
        ..Said::default()
    };
    assert_eq!(
        message(&said),
        json!({ "user": { "name": "a" }, "ids": [4] })
    );
    said.session = Some(&[("user", r#"{},"userId":"root""#)]);
    assert!(wrong(&said).starts_with("session.user: expected an object"));
}

/// Each as a query and as a string of JSON; then as other JSON.
#[test]
fn texts_become_what_their_field_is() {
    for (text, field, value) in [
        ("name=1", "name", json!("1")),
        ("name=%E4%BD%A0", "name", json!("你")),
        ("name=+a+", "name", json!(" a ")),
        ("name=%zz%", "name", json!("%zz%")),
        ("age=-5", "age", json!(-5)),
        ("age=+5+", "age", json!(5)),
        ("age=5.0", "age", json!(5)),
        ("age=", "age", json!(null)),
        ("age=2147483647", "age", json!(2_147_483_647)),
        ("big=-9223372036854775808", "big", json!(i64::MIN)),
        (
            "big=9007199254740993",
            "big",
            json!(9_007_199_254_740_993_i64),
        ),
        ("huge=18446744073709551615", "huge", json!(u64::MAX)),
        ("fixed=18446744073709551615", "fixed", json!(u64::MAX)),
        ("low=-2147483648", "low", json!(i32::MIN)),
        ("part=1.5e3", "part", json!(1500.0)),
        ("part=NaN", "part", json!("NaN")),
        ("part=-Infinity", "part", json!("-Infinity")),
        ("small=0.1", "small", json!(0.1)),
        ("sure=true", "sure", json!(true)),
        ("sure=YES", "sure", json!(true)),
        ("sure=t&sure=f", "sure", json!(true)),
        ("sure=y", "sure", json!(true)),
        ("sure=1", "sure", json!(true)),
        ("sure=on", "sure", json!(true)),
        ("sure=no", "sure", json!(null)),
        ("sure=0", "sure", json!(null)),
        ("color=BLUE", "color", json!("BLUE")),
        ("color=5", "color", json!("BLUE")),
        ("color=", "color", json!(null)),
        ("data=%C3%BC", "data", json!("w7w=")),
        ("maybe=0", "maybe", json!(0)),
        ("maybe=", "maybe", json!(null)),
        ("name=a&name=b", "name", json!("a")),
        ("ids=1&ids=2&ids=", "ids", json!([1, 2])),
        ("ids=7", "ids", json!([7])),
        ("tags=a&x=1&tags=", "tags", json!(["a", ""])),
        ("colors=RED&colors=5", "colors", json!(["RED", "BLUE"])),
        ("nick_name=a", "nick_name", json!("a")),
        ("nickName=a", "nick_name", json!(null)),
        ("Name=a", "name", json!(null)),
    ] {
        assert_eq!(message(&query(text))[field], value, "{text}");
    }
    for (json, field, value) in [
        (
            r#"{"name":12345678901234567890.10}"#,
            "name",
            json!("12345678901234567890.10"),
        ),
        (r#"{"name":true}"#, "name", json!("true")),
        (
            r#"{"name":"a\n\u00fc\"\ud83d\ude00"}"#,
            "name",
            json!("a\nü\"😀"),
        ),
        (r#"{"name":["first","second"]}"#, "name", json!("first")),
        (r#"{"name":[]}"#, "name", json!(null)),
        (r#"{"age":5.0}"#, "age", json!(5)),
        (r#"{"age":5e2}"#, "age", json!(500)),
        (r#"{"age":"5"}"#, "age", json!(5)),
        (r#"{"age":[5,"x"]}"#, "age", json!(5)),
        (
            r#"{"big":9007199254740993}"#,
            "big",
            json!(9_007_199_254_740_993_i64),
        ),
        (r#"{"huge":18446744073709551615}"#, "huge", json!(u64::MAX)),
        (
            r#"{"huge":18446744073709551615.0}"#,
            "huge",
            json!(u64::MAX),
        ),
        (r#"{"part":"0.25"}"#, "part", json!(0.25)),
        (r#"{"sure":1}"#, "sure", json!(true)),
        (r#"{"sure":"Y"}"#, "sure", json!(true)),
        (r#"{"color":5}"#, "color", json!("BLUE")),
        (r#"{"color":"5"}"#, "color", json!("BLUE")),
        (r#"{"data":"ü"}"#, "data", json!("w7w=")),
        (r#"{"data":[0,255,-1]}"#, "data", json!("AP//")),
        (r#"{"data":[5.0,1e2]}"#, "data", json!("BWQ=")),
        (
            r#"{"user":{"age":1,"friends":[{"age":2},{}]}}"#,
            "user",
            json!({ "age": 1, "friends": [{ "age": 2 }, {}] }),
        ),
        (
            r#"{"user":[{"age":1},{"age":2}]}"#,
            "user",
            json!({ "age": 1 }),
        ),
        (r#"{"user":null}"#, "user", json!(null)),
        (r#"{"user":{}}"#, "user", json!({})),
        (r#"{"users":{"age":1}}"#, "users", json!([{ "age": 1 }])),
        (r#"{"ids":"3"}"#, "ids", json!([3])),
        (r#"{"ids":[1,"2",3.0]}"#, "ids", json!([1, 2, 3])),
        (
            r#"{"tags":[1,true,"c"]}"#,
            "tags",
            json!(["1", "true", "c"]),
        ),
        (
            r#"{"counts":{"a":1,"b":"2","c":null}}"#,
            "counts",
            json!({ "a": 1, "b": 2 }),
        ),
        (
            r#"{"byId":{"-1":{"age":1},"2":{}}}"#,
            "byId",
            json!({ "-1": { "age": 1 }, "2": {} }),
        ),
        (r#"{"rail":0}"#, "rail", json!(0)),
        (
            r#"{"at":{"seconds":1}}"#,
            "at",
            json!("1970-01-01T00:00:01Z"),
        ),
    ] {
        assert_eq!(message(&json_body(json))[field], value, "{json}");
    }
}

#[test]
fn the_standard_form_reads_what_protobuf_says() {
    for (json, field, value) in [
        (r#"{"nickName":"a"}"#, "nick_name", json!("a")),
        (r#"{"nick_name":"a"}"#, "nick_name", json!("a")),
        (r#"{"data":"w7w="}"#, "data", json!("w7w=")),
        (r#"{"data":"-_8"}"#, "data", json!("+/8=")),
        (
            r#"{"at":"1970-01-01T00:00:01Z"}"#,
            "at",
            json!("1970-01-01T00:00:01Z"),
        ),
        (r#"{"at":null}"#, "at", json!(null)),
    ] {
        let said = Said {
            form: Some(JsonForm::STANDARD),
            ..json_body(json)
        };
        assert_eq!(message(&said)[field], value, "{json}");
    }
    let both = Said {
        form: Some(JsonForm::STANDARD),
        ..json_body(r#"{"nickName":"a","nick_name":"b"}"#)
    };
    assert_eq!(wrong(&both), "nick_name: stands twice");
    let at = Said {
        form: Some(JsonForm::STANDARD),
        ..json_body(r#"{"at":"noon"}"#)
    };
    assert!(wrong(&at).starts_with("at: expected google.protobuf.Timestamp"));
    let at = Said {
        form: Some(JsonForm::STANDARD),
        ..query("at=1970-01-01T00:00:01Z")
    };
    assert_eq!(message(&at), json!({ "at": "1970-01-01T00:00:01Z" }));
}

#[test]
fn white_space_around_texts_goes_where_that_is_asked_for() {
    let mut said = Said {
        trim: true,
        query: "nick_name=+c+",
        ..json_body(r#"{"name":" a ","user":{"name":" b\t"}}"#)
    };
    assert_eq!(
        message(&said),
        json!({ "name": "a", "user": { "name": "b" }, "nick_name": "c" })
    );
    said.trim = false;
    assert_eq!(message(&said)["name"], " a ");
}

#[test]
fn what_the_session_and_plugins_say_is_not_said_to_the_client() {
    let session = Said {
        session: Some(&[("age", "secret")]),
        ..Said::default()
    };
    let plugin = Said {
        plugins: Some(json!({ "age": "secret" })),
        ..Said::default()
    };
    for said in [session, plugin] {
        assert_eq!(wrong(&said), "age: expected int32, found a string");
    }
}

#[test]
fn what_has_no_place_is_refused_and_said_where_it_is() {
    for (said, words) in [
        (query("age=x"), r#"age: expected int32, found "x""#),
        (query("age=1.5"), r#"age: expected int32, found "1.5""#),
        (
            query("age=2147483648"),
            r#"age: expected int32, found "2147483648""#,
        ),
        (query("huge=-1"), r#"huge: expected uint64, found "-1""#),
        (query("part=inf"), r#"part: expected double, found "inf""#),
        (
            query("part=1e999"),
            r#"part: expected double, found "1e999""#,
        ),
        (
            query("small=1e39"),
            r#"small: expected float, found "1e39""#,
        ),
        (query("sure=maybe"), r#"sure: expected bool, found "maybe""#),
        (
            query("color=GREEN"),
            r#"color: expected one of NONE, RED, BLUE, found "GREEN""#,
        ),
        (
            query("color=2"),
            r#"color: expected one of NONE, RED, BLUE, found "2""#,
        ),
        (
            query("user=a"),
            "user: expected an object (shop.User), found a string",
        ),
        (
            query("counts=a"),
            "counts: expected an object with values of int32, found a string",
        ),
        (
            query("age=0123456789012345678901234567890123456789%0Az"),
            r#"age: expected int32, found "0123456789012345678901234567890123456789...""#,
        ),
        (
            query("age=a%0A%22z"),
            r#"age: expected int32, found "a\n\"z""#,
        ),
        (query("name=%ff"), "the query: not UTF-8"),
        (
            query("road=a&rail=1"),
            "rail: another member of the same oneof is there too",
        ),
        (
            json_body(r#"{"age":5.5}"#),
            "age: expected int32, found 5.5",
        ),
        (
            json_body(r#"{"age":true}"#),
            "age: expected int32, found true",
        ),
        (
            json_body(r#"{"age":{}}"#),
            "age: expected int32, found an object",
        ),
        (
            json_body(r#"{"age":[[1]]}"#),
            "age: expected int32, found a list",
        ),
        (
            json_body(r#"{"big":9223372036854775808}"#),
            "big: expected int64, found 9223372036854775808",
        ),
        (
            json_body(r#"{"name":{"secret":1}}"#),
            "name: expected string, found an object",
        ),
        (
            json_body(r#"{"name":"\ud800"}"#),
            "name: expected string, found a string that is no Unicode",
        ),
        (json_body(r#"{"sure":2}"#), "sure: expected bool, found 2"),
        (
            json_body(r#"{"data":[256]}"#),
            "data: expected bytes, found 256",
        ),
        (
            json_body(r#"{"user":1}"#),
            "user: expected an object (shop.User), found 1",
        ),
        (
            json_body(r#"{"users":[{},{"friends":[{"age":"x"}]}]}"#),
            r#"users[1].friends[0].age: expected int32, found "x""#,
        ),
        (
            json_body(r#"{"users":[{},null]}"#),
            "users[1]: expected an object (shop.User), found null",
        ),
        (
            json_body(r#"{"ids":[1,null]}"#),
            "ids[1]: expected int32, found nothing",
        ),
        (
            json_body(r#"{"ids":[1,""]}"#),
            "ids[1]: expected int32, found nothing",
        ),
        (
            json_body(r#"{"counts":[]}"#),
            "counts: expected an object with values of int32, found a list",
        ),
        (
            json_body(r#"{"counts":{"a\n":"x"}}"#),
            r#"counts.a\n: expected int32, found "x""#,
        ),
        (
            json_body(r#"{"byId":{"x":{}}}"#),
            "byId.x: its name is to be int32",
        ),
        (
            json_body(r#"{"name":"a","name":"b"}"#),
            "name: stands twice",
        ),
        (
            json_body(r#"{"counts":{"a":1,"\u0061":2}}"#),
            "counts.a: stands twice",
        ),
        (
            json_body(r#"{"byId":{"1":{},"01":{}}}"#),
            "byId.01: stands twice",
        ),
        (
            json_body(r#"{"road":"a","rail":1}"#),
            "rail: another member of the same oneof is there too",
        ),
        (
            json_body("[]"),
            "the body: expected an object (shop.Req), found a list",
        ),
        (
            json_body("3"),
            "the body: expected an object (shop.Req), found 3",
        ),
        (
            json_body("null"),
            "the body: expected an object (shop.Req), found null",
        ),
        (
            Said {
                body: b"{\"name\":\"\xff\"}",
                ..json_body("")
            },
            "the body: not UTF-8",
        ),
        (
            Said {
                headers: &[("user-agent", "a"), ("x-count", "b")],
                ..Said::default()
            },
            "headerXCount: expected int32, found a string",
        ),
    ] {
        assert_eq!(wrong(&said), words);
    }
    for text in [
        "{",
        "{}x",
        "{'a':1}",
        r#"{"name":"a}"#,
        r#"{"age":01}"#,
        r#"{"unknown":nul}"#,
        r#"{"users":[{]}"#,
        "\u{feff}{}",
    ] {
        assert!(
            wrong(&json_body(text)).starts_with("the body: no JSON: "),
            "{text}"
        );
    }
}

#[test]
fn a_choice_belongs_to_the_source_that_goes_before() {
    let mut said = query("rail=1");
    said.session = Some(&[("road", "a")]);
    assert_eq!(message(&said), json!({ "road": "a" }));
}

#[test]
fn limits_hold_at_their_end_and_not_past_it() {
    let names = |count| (0..count).map(|n| format!("n{n}=1&")).collect::<String>();
    assert!(query(&names(MAX_PARAMETERS)).encode().is_ok());
    assert_eq!(
        wrong(&query(&names(MAX_PARAMETERS + 1))),
        "the query: more than 1024 parameters"
    );
    let names = names(MAX_PARAMETERS + 1);
    let form = Said {
        kind: "application/x-www-form-urlencoded",
        body: names.as_bytes(),
        ..Said::default()
    };
    assert_eq!(wrong(&form), "the form: more than 1024 parameters");

    let object = |count| {
        let names: Vec<_> = (0..count).map(|n| format!("\"n{n}\":1")).collect();
        format!("{{{}}}", names.join(","))
    };
    assert!(json_body(&object(MAX_KEYS)).encode().is_ok());
    assert_eq!(
        wrong(&json_body(&object(MAX_KEYS + 1))),
        "the body: more than 1024 names in one object"
    );
    let counts = |count| format!("{{\"counts\":{}}}", object(count));
    assert!(json_body(&counts(MAX_KEYS)).encode().is_ok());
    assert_eq!(
        wrong(&json_body(&counts(MAX_KEYS + 1))),
        "counts: more than 1024 names in one object"
    );

    let deep = |levels: usize| {
        format!(
            "{}{{}}{}",
            "{\"user\":{\"friends\":[".repeat(levels),
            "]}}".repeat(levels)
        )
    };
    // `friends` has no `user`, so what lies below is passed over; it counts nevertheless.
    assert!(json_body(&deep(MAX_DEPTH / 3)).encode().is_ok());
    assert_eq!(
        wrong(&json_body(&deep(MAX_DEPTH / 3 + 1))),
        "the body: nested more than 64 levels deep"
    );
    let friends = |levels: usize| {
        format!(
            "{{\"user\":{}{{}}{}}}",
            "{\"friends\":[".repeat(levels),
            "]}".repeat(levels)
        )
    };
    assert!(json_body(&friends(31)).encode().is_ok());
    assert_eq!(
        wrong(&json_body(&friends(32))),
        "the body: nested more than 64 levels deep"
    );
}

#[test]
fn plugins_see_what_the_client_said_by_name() {
    let said = Said {
        query: "name=query&ids=1&ids=2&user=x",
        variables: &[("age", "1")],
        plugins: Some(json!({ "tags": ["t"] })),
        ..json_body(r#"{"name":"body","age":9,"user":null,"extra":[1.5]}"#)
    };
    let parameters = said.with(|_, input| input.parameters()).unwrap();
    assert_eq!(
        Value::Object(parameters),
        json!({ "name": "body", "ids": ["1", "2"], "user": "x", "age": "1", "tags": ["t"], "extra": [1.5] })
    );
    for text in ["[]", "{"] {
        assert!(json_body(text).with(|_, input| input.parameters()).is_err());
    }
}

#[test]
fn a_field_said_as_its_default_takes_no_bytes_unless_it_can_be_told() {
    let said = json_body(r#"{"name":"","age":0,"ids":[],"counts":{},"maybe":0}"#);
    let said = Said {
        form: Some(JsonForm::KRPC),
        ..said
    };
    assert_eq!(message(&said), json!({ "maybe": 0 }));
}
