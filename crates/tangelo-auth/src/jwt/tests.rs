use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const RSA_PRIVATE: &str = include_str!("../../testdata/rsa.pem");
const RSA_PUBLIC: &str = include_str!("../../testdata/rsa.pub.pem");
const EC_PRIVATE: &str = include_str!("../../testdata/ec.pem");
const EC_PUBLIC: &str = include_str!("../../testdata/ec.pub.pem");
const ED_PRIVATE: &str = include_str!("../../testdata/ed25519.pem");
const ED_PUBLIC: &str = include_str!("../../testdata/ed25519.pub.pem");

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

fn token(claims: &Value) -> String {
    signed(Algorithm::HS256, &EncodingKey::from_secret(SECRET), claims)
}

fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

fn refusal(jwt: &Jwt, token: &str) -> String {
    let refused = jwt.read(token).unwrap_err();
    assert_eq!(refused.code(), 401);
    refused.message().to_owned()
}

#[tokio::test]
async fn a_good_token_says_who_it_is_and_what_it_claims() {
    let jwt = Jwt::hs256(SECRET).unwrap();
    let good = token(&json!({"sub": "ann", "exp": now() + 60, "level": 7}));
    let verified = jwt.verify(&good).await.unwrap();
    assert_eq!(verified.uid, "ann");
    assert_eq!(verified.claims["level"], 7);
}

#[test]
fn every_algorithm_takes_its_own_tokens_and_no_others() {
    let claims = json!({"sub": "ann", "exp": now() + 60});
    let rsa = EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap();
    let ec = EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).unwrap();
    let ed = EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).unwrap();
    let tokens = [
        token(&claims),
        signed(Algorithm::RS256, &rsa, &claims),
        signed(Algorithm::ES256, &ec, &claims),
        signed(Algorithm::EdDSA, &ed, &claims),
    ];
    let readers = [
        Jwt::hs256(SECRET).unwrap(),
        Jwt::rs256(RSA_PUBLIC).unwrap(),
        Jwt::es256(EC_PUBLIC).unwrap(),
        Jwt::ed25519(ED_PUBLIC).unwrap(),
    ];
    for (own, reader) in readers.iter().enumerate() {
        for (number, token) in tokens.iter().enumerate() {
            if number == own {
                assert_eq!(reader.read(token).unwrap().uid, "ann");
            } else {
                assert_eq!(refusal(reader, token), "token invalid");
            }
        }
    }
}

/// What everybody knows, the public key, as the secret of a token.
#[test]
fn a_token_signed_with_the_public_key_is_nobodys() {
    let claims = json!({"sub": "ann", "exp": now() + 60});
    let jwt = Jwt::rs256(RSA_PUBLIC).unwrap();
    let public = EncodingKey::from_secret(RSA_PUBLIC.as_bytes());
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let forged = signed(algorithm, &public, &claims);
        assert_eq!(refusal(&jwt, &forged), "token invalid");
    }
    assert_eq!(Jwt::hs256(RSA_PUBLIC).unwrap_err(), BadKey::SecretIsPem);
}

#[test]
fn a_token_without_a_signature_or_with_another_is_nobodys() {
    let jwt = Jwt::hs256(SECRET).unwrap();
    let claims = json!({"sub": "ann", "exp": now() + 60});
    let good = token(&claims);
    let other = EncodingKey::from_secret(&[7; 32]);
    let [_, said, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    // {"alg":"none","typ":"JWT"} and {"alg":"NONE"}.
    let (none, nothing) = ("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", "eyJhbGciOiJOT05FIn0");
    for bad in [
        signed(Algorithm::HS256, &other, &claims),
        format!("{none}.{said}."),
        format!("{none}.{said}.{signature}"),
        format!("{nothing}.{said}."),
        good.rsplit_once('.').unwrap().0.to_owned(),
        format!("{good}x"),
        format!("{good}.x"),
        String::new(),
        "..".to_owned(),
        "no token".to_owned(),
        "\u{1f600}".to_owned(),
    ] {
        assert_eq!(refusal(&jwt, &bad), "token invalid", "{bad}");
    }
}

#[test]
fn a_token_counts_from_its_nbf_to_its_exp_with_a_little_leeway() {
    let jwt = Jwt::hs256(SECRET).unwrap().leeway(30);
    let exp = now() + 60;
    for (mut claims, outcome) in [
        (json!({"exp": now() - 10}), None),
        (json!({"exp": now() - 40}), Some("token expired")),
        (json!({"exp": exp, "nbf": now() + 20}), None),
        (
            json!({"exp": exp, "nbf": now() + 50}),
            Some("token not valid yet"),
        ),
        (json!({}), Some("token lacks a claim")),
        (json!({"exp": "tomorrow"}), Some("token lacks a claim")),
        (json!({"exp": null}), Some("token lacks a claim")),
        (
            json!({"exp": exp, "nbf": "tomorrow"}),
            Some("token invalid"),
        ),
    ] {
        claims["sub"] = json!("ann");
        let read = jwt.read(&token(&claims));
        let told = read.as_ref().map_err(Refused::message).err();
        assert_eq!(told, outcome, "{claims}");
    }
    let widest = Jwt::hs256(SECRET).unwrap().leeway(u16::MAX);
    let old = token(&json!({"sub": "ann", "exp": now() - 60_000}));
    assert!(widest.read(&old).is_ok());
}

#[test]
fn a_token_is_for_us_and_from_whom_we_trust() {
    let jwt = Jwt::hs256(SECRET).unwrap();
    let strict = jwt
        .clone()
        .audience("game")
        .audience("lobby")
        .issuer("login");
    let of = |aud: Value, iss: Value| {
        token(&json!({"sub": "ann", "exp": now() + 60, "aud": aud, "iss": iss}))
    };
    for aud in [json!("game"), json!("lobby"), json!(["other", "game"])] {
        assert_eq!(strict.read(&of(aud, json!("login"))).unwrap().uid, "ann");
    }
    let (elsewhere, lacks) = ("token is for somebody else", "token lacks a claim");
    for (aud, told) in [
        (json!("other"), elsewhere),
        (json!([]), elsewhere),
        (json!(null), lacks),
        (json!(7), lacks),
    ] {
        assert_eq!(refusal(&strict, &of(aud, json!("login"))), told);
    }
    for (iss, told) in [
        (json!("other"), "token is from somebody else"),
        (json!(null), lacks),
    ] {
        assert_eq!(refusal(&strict, &of(json!("game"), iss)), told);
    }
    // Whoever has no name is meant by no `aud`.
    assert_eq!(refusal(&jwt, &of(json!("game"), json!("x"))), elsewhere);
    assert!(jwt.read(&of(json!(null), json!("x"))).is_ok());
}

#[test]
fn the_user_is_the_claim_it_is_said_to_be_text_or_a_whole_number() {
    let jwt = Jwt::hs256(SECRET).unwrap().uid_claim("player");
    let of = |player: Value| token(&json!({"sub": "ann", "exp": now() + 60, "player": player}));
    assert_eq!(jwt.read(&of(json!("bob"))).unwrap().uid, "bob");
    assert_eq!(jwt.read(&of(json!(10001))).unwrap().uid, "10001");
    assert_eq!(jwt.read(&of(json!(-1))).unwrap().uid, "-1");
    for none in [
        json!(null),
        json!(""),
        json!(1.5),
        json!(["bob"]),
        json!(true),
    ] {
        assert_eq!(refusal(&jwt, &of(none)), "token names no user");
    }
}

#[test]
fn what_a_token_insists_on_and_is_not_known_refuses_it() {
    let jwt = Jwt::hs256(SECRET).unwrap();
    let mut header = Header::new(Algorithm::HS256);
    header.crit = Some(vec!["exp".to_owned()]);
    let claims = json!({"sub": "ann", "exp": now() + 60});
    let token = encode(&header, &claims, &EncodingKey::from_secret(SECRET)).unwrap();
    assert_eq!(refusal(&jwt, &token), "token not understood");
}

#[test]
fn keys_that_cannot_be_used_are_found_out_at_once() {
    assert_eq!(Jwt::hs256([1; 31]).unwrap_err(), BadKey::Short(31));
    assert!(Jwt::hs256([1; 32]).is_ok());
    let is_unusable = |read: Result<Jwt, BadKey>| matches!(read, Err(BadKey::Unusable { .. }));
    for bad in ["", "no key", EC_PUBLIC, RSA_PRIVATE] {
        assert!(is_unusable(Jwt::rs256(bad)), "{bad}");
    }
    for bad in ["", RSA_PUBLIC, ED_PUBLIC] {
        assert!(is_unusable(Jwt::es256(bad)), "{bad}");
    }
    for bad in ["", RSA_PUBLIC, EC_PUBLIC] {
        assert!(is_unusable(Jwt::ed25519(bad)), "{bad}");
    }
}

#[test]
fn no_log_shows_a_key_or_a_claim() {
    let jwt = Jwt::hs256(SECRET).unwrap();
    let claims = json!({"sub": "ann", "exp": now() + 60, "mail": "a@b"});
    let shown = format!("{jwt:?} {:?}", jwt.read(&token(&claims)).unwrap());
    assert!(
        !shown.contains("0123456789") && !shown.contains("a@b"),
        "{shown}"
    );
}
