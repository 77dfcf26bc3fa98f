//! Messages that old clients sign: `useCrypto`.
//!
//! The client makes a key of RSA for itself and names its public half in the handshake, as `sys.rsa`. To the
//! body of each message, a JSON object, it adds `__crypto__`: its signature (PKCS #1 v1.5 with SHA-256, in
//! hexadecimal digits) of the body's text without that. It guards against nobody who sees the handshake;
//! TLS does.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};

use super::json;

/// The member that is added to a body.
const MEMBER: &str = "__crypto__";
/// The longest modulus, in bytes: 4096 bits. Clients have 1024; what is longer costs much to look at.
const MAX_MODULUS: usize = 512;

/// A client's public key, big-endian, without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaKey {
    /// The modulus.
    pub modulus: Vec<u8>,
    /// The exponent.
    pub exponent: Vec<u8>,
}

/// A body and its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The body's text without the signature.
    pub body: Vec<u8>,
    /// The signature, as long as the key's modulus.
    pub signature: Vec<u8>,
}

/// The key that a handshake's `sys` names.
pub(super) fn key(sys: &Value) -> Option<RsaKey> {
    let rsa = sys.get("rsa")?;
    let exponent = match rsa.get("rsa_e")? {
        Value::String(digits) => bytes(digits)?,
        // What is meant by a number depends on the client: 65537, or the digits "10001".
        Value::Number(number) => match number.as_u64()? {
            65537 => vec![1, 0, 1],
            digits => bytes(&digits.to_string())?,
        },
        _ => return None,
    };
    let modulus = bytes(rsa.get("rsa_n")?.as_str()?)?;
    let is_key = (1..=MAX_MODULUS).contains(&modulus.len()) && !exponent.is_empty();
    is_key.then_some(RsaKey { modulus, exponent })
}

/// A body without its signature. None if it has none, or is no object.
pub fn split(body: &[u8], key: &RsaKey) -> Option<Signed> {
    let body = json::mend(body);
    let Members(members) = serde_json::from_slice(&body).ok()?;
    let mut text = Vec::with_capacity(body.len());
    let mut signature = None;
    for (name, value) in members {
        if name == MEMBER {
            signature = Some(serde_json::from_str::<String>(value.get()).ok()?);
            continue;
        }
        text.push(if text.is_empty() { b'{' } else { b',' });
        serde_json::to_writer(&mut text, &name).ok()?;
        text.push(b':');
        text.extend_from_slice(value.get().as_bytes());
    }
    if text.is_empty() {
        text.push(b'{');
    }
    text.push(b'}');
    let digits = bytes(&signature?)?;
    let missing = key.modulus.len().checked_sub(digits.len())?;
    let mut signature = vec![0; missing];
    signature.extend_from_slice(&digits);
    Some(Signed {
        body: text,
        signature,
    })
}

/// The same text as clients sign it that encode each UTF-16 unit alone; none where that is no other.
pub fn in_units(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    if text.chars().all(|character| character.len_utf16() == 1) {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() * 3 / 2);
    for character in text.chars() {
        if character.len_utf16() == 1 {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let [high, low] = unit.to_be_bytes();
            out.push(0xe0 | high >> 4);
            out.push(0x80 | (high & 0xf) << 2 | low >> 6);
            out.push(0x80 | low & 0x3f);
        }
    }
    Some(out)
}

/// Of hexadecimal digits, without leading zeros.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.trim_start_matches('0');
    let even = match digits.len() % 2 {
        0 => digits.to_owned(),
        _ => format!("0{digits}"),
    };
    HEXLOWER_PERMISSIVE.decode(even.as_bytes()).ok()
}

/// An object's members in their order, as they stand.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn small() -> RsaKey {
        RsaKey {
            modulus: vec![0xc5; 4],
            exponent: vec![1, 0, 1],
        }
    }

    #[test]
    fn a_key_is_read_in_every_form_that_clients_have() {
        let named = |n: Value, e: Value| key(&json!({"rsa": {"rsa_n": n, "rsa_e": e}}));
        let expected = Some(small());
        for e in [json!("10001"), json!("010001"), json!(65537), json!(10001)] {
            assert_eq!(named(json!("c5C5c5c5"), e), expected);
        }
        assert_eq!(named(json!("00c5c5c5c5"), json!("10001")), expected);
        let odd = named(json!("fc5"), json!("3")).unwrap();
        assert_eq!((odd.modulus, odd.exponent), (vec![0xf, 0xc5], vec![3]));
    }

    #[test]
    fn what_is_no_key_is_none() {
        assert_eq!(key(&json!({})), None);
        assert_eq!(key(&json!({"rsa": {}})), None);
        let named = |n: Value, e: Value| key(&json!({"rsa": {"rsa_n": n, "rsa_e": e}}));
        for (n, e) in [
            (json!("xyz"), json!("10001")),
            (json!(""), json!("10001")),
            (json!("0"), json!("10001")),
            (json!(5), json!("10001")),
            (json!("c5"), json!("")),
            (json!("c5"), json!(null)),
            (json!("c5"), json!(-1)),
            (json!("é"), json!("10001")),
        ] {
            assert_eq!(named(n.clone(), e), None, "{n}");
        }
        let longest = "f".repeat(2 * MAX_MODULUS);
        assert!(named(json!(longest), json!("3")).is_some());
        assert!(named(json!(longest + "f"), json!("3")).is_none());
    }

    #[test]
    fn the_signature_is_taken_out_and_the_rest_stays_as_it_stands() {
        let said = |body: &str| split(body.as_bytes(), &small());
        let of = |body: &str, signature: &[u8]| {
            Some(Signed {
                body: body.as_bytes().to_vec(),
                signature: signature.to_vec(),
            })
        };
        let body = r#"{"b":1.0,"a":{"x":[1, 2]},"é":"\u00e9"}"#;
        let (members, _) = body.split_at(body.len() - 1);
        let with = format!(r#"{members},"__crypto__":"0a0b0c0d"}}"#);
        assert_eq!(said(&with), of(body, &[10, 11, 12, 13]));
        let first = r#"{"__crypto__":"A0B","b":1}"#;
        assert_eq!(said(first), of(r#"{"b":1}"#, &[0, 0, 10, 11]));
        assert_eq!(said(r#"{"__crypto__":"1"}"#), of("{}", &[0, 0, 0, 1]));
        for none in [
            "",
            "{}",
            "[]",
            "1",
            r#"{"b":1}"#,
            r#"{"__crypto__":1}"#,
            r#"{"__crypto__":"x"}"#,
            r#"{"__crypto__":"0102030405"#,
            r#"{"__crypto__":"0102030405"}"#,
        ] {
            assert_eq!(said(none), None, "{none}");
        }
    }

    #[test]
    fn a_character_beyond_the_bmp_is_two_units() {
        assert_eq!(in_units("aé大".as_bytes()), None);
        let units = in_units("a\u{1f600}".as_bytes()).unwrap();
        assert_eq!(units, b"a\xed\xa0\xbd\xed\xb8\x80");
        assert_eq!(&*json::mend(&units), "a\u{1f600}".as_bytes());
    }
}
