//! JSON that every Pomelo client can read, from every Pomelo client.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use tangelo_wire::pomelo::{handshake, json};

/// 😀 as a browser client encodes it: each half alone.
const GRINNING: &[u8] = b"\xed\xa0\xbd\xed\xb8\x80";

#[test]
fn characters_beyond_the_bmp_are_written_as_escapes() {
    assert_eq!(written("😀"), r#""\ud83d\ude00""#);
    assert_eq!(written("a😀é𝄞中"), r#""a\ud83d\ude00é\ud834\udd1e中""#);
    assert_eq!(
        written("\u{1_0000}\u{10_ffff}"),
        r#""\ud800\udc00\udbff\udfff""#
    );
}

#[test]
fn characters_of_the_bmp_are_written_as_they_are() {
    for text in [
        "",
        "abc",
        "é中",
        "\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}",
    ] {
        assert_eq!(written(text), format!("\"{text}\""));
    }
}

#[test]
fn quotes_and_control_characters_are_escaped_beside_an_emoji_too() {
    for text in [
        "\"\\\0\u{8}\t\n\u{c}\r\u{1b}\u{1f}/",
        "</script>",
        "\u{2028}",
    ] {
        let plain = serde_json::to_string(text).unwrap();
        assert_eq!(written(text), plain);
        let inner = &plain[1..plain.len() - 1];
        let around = format!("{text}😀{text}");
        assert_eq!(
            written(&around),
            format!("\"{inner}\\ud83d\\ude00{inner}\"")
        );
        assert_eq!(
            json::from_slice::<String>(written(&around).as_bytes()).unwrap(),
            around
        );
    }
}

#[test]
fn keys_are_escaped_like_values() {
    let map = BTreeMap::from([("😀", "😀")]);
    assert_eq!(written(&map), r#"{"\ud83d\ude00":"\ud83d\ude00"}"#);
}

#[test]
fn json_that_is_passed_on_unread_is_escaped_too() {
    let raw: Box<RawValue> = serde_json::from_str(r#"{"s" : "\"😀é"}"#).unwrap();
    assert_eq!(written(&*raw), r#"{"s" : "\"\ud83d\ude00é"}"#);
    assert_eq!(written(&[raw]), r#"[{"s" : "\"\ud83d\ude00é"}]"#);
}

#[test]
fn without_such_characters_it_is_the_json_everyone_writes() {
    let value = json!({ "a": [1, 2.5, null, true, "é"], "b": { "c": "\n" } });
    assert_eq!(written(&value), value.to_string());
}

#[test]
fn halves_that_arrive_one_by_one_are_joined() {
    assert_eq!(json::mend(GRINNING), "😀".as_bytes());
    assert_eq!(
        json::mend(b"\xed\xa0\x80\xed\xb0\x80"),
        "\u{1_0000}".as_bytes()
    );
    assert_eq!(
        json::mend(b"\xed\xaf\xbf\xed\xbf\xbf"),
        "\u{10_ffff}".as_bytes()
    );

    let several = [b"a", GRINNING, GRINNING, "é".as_bytes(), GRINNING, b"!"].concat();
    assert_eq!(json::mend(&several), "a😀😀é😀!".as_bytes());

    let mixed = [GRINNING, "😀".as_bytes()].concat();
    assert_eq!(json::mend(&mixed), "😀😀".as_bytes());
}

#[test]
fn text_that_needs_no_mending_is_not_copied() {
    for text in ["", "abc", "é中😀", "\u{d7ff}\u{e000}"] {
        assert!(
            matches!(json::mend(text.as_bytes()), Cow::Borrowed(same) if same == text.as_bytes())
        );
    }
}

#[test]
fn a_half_without_its_other_half_stays_and_is_no_json() {
    let (high, low) = GRINNING.split_at(3);
    let lone: [&[u8]; 8] = [
        high,
        low,
        &[low, high].concat(),
        &[low, low].concat(),
        &[high, high].concat(),
        &GRINNING[..5],
        b"\xed",
        &[high, b" ", low].concat(),
    ];
    for half in lone {
        assert_eq!(json::mend(half), half);
        let text = [b"\"", half, b"\""].concat();
        assert!(json::from_slice::<Value>(&text).is_err(), "{half:x?}");
    }
    assert_eq!(
        json::mend(&[high, GRINNING].concat()),
        [high, "😀".as_bytes()].concat()
    );
    assert_eq!(
        json::mend(&[GRINNING, low].concat()),
        ["😀".as_bytes(), low].concat()
    );
}

#[test]
fn bytes_that_are_no_text_are_no_json() {
    for bytes in [
        &b"\"\xff\""[..],
        b"\"\xc0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"",
        b"\xef\xbb\xbf{}",
    ] {
        assert!(json::from_slice::<Value>(bytes).is_err(), "{bytes:x?}");
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_stack_overflow() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth| open.repeat(depth) + "0" + &close.repeat(depth);
        assert!(json::from_slice::<Value>(nested(100).as_bytes()).is_ok());
        assert!(json::from_slice::<Value>(nested(1_000_000).as_bytes()).is_err());
        assert!(json::from_slice::<Value>(open.repeat(1_000_000).as_bytes()).is_err());

        let hello = |depth| format!(r#"{{"sys":{{}},"user":{}}}"#, nested(depth));
        assert!(handshake::decode(hello(100).as_bytes()).is_ok());
        assert!(handshake::decode(hello(1_000_000).as_bytes()).is_err());
    }
}

fn written(value: &(impl Serialize + ?Sized)) -> String {
    String::from_utf8(json::to_vec(value).expect("a value")).expect("JSON in UTF-8")
}
