//! Bodies are compressed and encrypted and come back, and no peer makes them cost more than allowed.

use bytes::BytesMut;
use tangelo_wire::krpc::{
    compress::{Compression, Error, compress, decompress},
    encrypt::{InvalidKey, Key, Undecryptable},
};

const BOTH: [Compression; 2] = [Compression::Zlib, Compression::Snappy];
const MIB: usize = 1 << 20;

#[test]
fn the_numbers_are_krpcs() {
    assert_eq!(Compression::try_from(1), Ok(Compression::Zlib));
    assert_eq!(Compression::try_from(2), Ok(Compression::Snappy));
    for other in [i32::MIN, -1, 0, 3, 7, i32::MAX] {
        assert_eq!(Compression::try_from(other), Err(Error::Unknown(other)));
    }
}

#[test]
fn what_is_compressed_is_appended() {
    for kind in BOTH {
        let mut out = BytesMut::from("before");
        compress(kind, b"body", &mut out).unwrap();
        let compressed = out.split_off("before".len());
        assert_eq!(out, "before");
        assert_eq!(decompress(kind, &compressed, 4).unwrap(), "body");
    }
}

#[test]
fn zlib_is_an_rfc_1950_stream_and_snappy_a_raw_block() {
    assert_eq!(compressed(Compression::Zlib, b"body")[..2], [0x78, 0x9c]);
    assert_eq!(compressed(Compression::Snappy, b"body"), b"\x04\x0cbody");
}

#[test]
fn a_body_may_become_as_long_as_the_limit_says() {
    // Once short of what is first given room for, once far past it.
    for body in [noise(1000), vec![b'a'; MIB]] {
        for kind in BOTH {
            let compressed = compressed(kind, &body);
            let limit = body.len();
            assert_eq!(decompress(kind, &compressed, limit).unwrap(), body);
            assert_eq!(decompress(kind, &compressed, usize::MAX).unwrap(), body);
            let limit = limit - 1;
            let too_long = Err(Error::TooLong { limit });
            assert_eq!(decompress(kind, &compressed, limit), too_long);
        }
    }
}

#[test]
fn with_the_limit_at_0_an_empty_body_still_passes() {
    for kind in BOTH {
        assert_eq!(decompress(kind, &compressed(kind, b""), 0).unwrap(), "");
        let too_long = Err(Error::TooLong { limit: 0 });
        assert_eq!(decompress(kind, &compressed(kind, b"a"), 0), too_long);
    }
}

#[test]
fn a_bomb_is_put_out_at_the_limit() {
    let body = vec![0; 8 * MIB];
    let limit = 1000;
    for kind in BOTH {
        let bomb = compressed(kind, &body);
        assert!(bomb.len() * 20 < body.len());
        let too_long = Err(Error::TooLong { limit });
        assert_eq!(decompress(kind, &bomb, limit), too_long);
    }
}

#[test]
fn a_compressed_body_that_was_cut_short_is_refused() {
    for kind in BOTH {
        let whole = compressed(kind, &[noise(300), vec![b'a'; 300]].concat());
        for length in 0..whole.len() {
            let cut = decompress(kind, &whole[..length], MIB);
            assert_eq!(cut, Err(Error::Malformed), "{kind:?}, {length}");
        }
    }
}

#[test]
fn what_follows_a_compressed_body_is_refused() {
    for kind in BOTH {
        let whole = compressed(kind, b"body");
        for rest in [&[0][..], b"\0\0\0\0", b"\xff", &whole] {
            let more = [&whole, rest].concat();
            for limit in [4, MIB] {
                let refused = decompress(kind, &more, limit);
                assert_eq!(refused, Err(Error::Malformed), "{kind:?}, {rest:?}");
            }
        }
    }
}

#[test]
fn a_zlib_stream_with_another_checksum_or_a_dictionary_is_refused() {
    let zlib = |bytes: &[u8]| decompress(Compression::Zlib, bytes, MIB);
    let mut damaged = compressed(Compression::Zlib, b"body");
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(zlib(&damaged), Err(Error::Malformed));
    // 78 bb: a preset dictionary, then its checksum.
    let with_dictionary = b"\x78\xbb\x04\x1a\x01\xaf\x4b\x02\x62\x00\x04\x1a\x01\xaf";
    assert_eq!(zlib(with_dictionary), Err(Error::Malformed));
    // Plain deflate and gzip are not zlib.
    assert_eq!(zlib(b"\x4b\xca\x4f\xa9\x04\x00"), Err(Error::Malformed));
    assert_eq!(zlib(b"\x1f\x8b\x08\0\0\0\0\0"), Err(Error::Malformed));
}

#[test]
fn snappy_that_lies_about_its_length_is_refused_before_room_is_made() {
    let snappy = |bytes: &[u8], limit| decompress(Compression::Snappy, bytes, limit);
    // "body" that says it has 3 bytes, or 5.
    assert_eq!(snappy(b"\x03\x0cbody", MIB), Err(Error::Malformed));
    assert_eq!(snappy(b"\x05\x0cbody", MIB), Err(Error::Malformed));
    // Six bytes that say 4 GiB less 1, the most that can be said; and more.
    let four_gib = b"\xff\xff\xff\xff\x0f\0";
    assert_eq!(snappy(four_gib, usize::MAX), Err(Error::Malformed));
    assert_eq!(snappy(four_gib, MIB), Err(Error::TooLong { limit: MIB }));
    assert_eq!(
        snappy(b"\xff\xff\xff\xff\x1f\0", usize::MAX),
        Err(Error::Malformed)
    );
}

#[test]
fn the_densest_snappy_there_is_is_still_read() {
    // A literal of one byte, then copies of 64 from one byte back, three bytes each.
    let copies = 10_000;
    let length = 1 + 64 * copies;
    let mut bytes = vec![
        length as u8 | 0x80,
        (length >> 7) as u8 | 0x80,
        (length >> 14) as u8,
    ];
    bytes.extend_from_slice(b"\0a");
    bytes.extend_from_slice(&b"\xfe\x01\0".repeat(copies));
    let body = decompress(Compression::Snappy, &bytes, length).unwrap();
    assert!(body.len() == length && body.iter().all(|byte| *byte == b'a'));
}

#[test]
fn a_key_has_16_24_or_32_ascii_characters() {
    for length in 0..=40 {
        let key = Key::new(&"k".repeat(length));
        let is_good = [16, 24, 32].contains(&length);
        assert_eq!(key.is_ok(), is_good, "{length}");
        if !is_good {
            assert_eq!(key.unwrap_err(), InvalidKey);
        }
    }
    // 16 bytes, 15 characters.
    assert!(Key::new("éaaaaaaaaaaaaaa").is_err());
}

#[test]
fn a_key_does_not_show_itself() {
    let key = Key::new("0123456789abcdef").unwrap();
    assert_eq!(format!("{key:?}"), "Key(..)");
}

#[test]
fn what_is_encrypted_is_appended_and_fills_the_last_block() {
    for key in keys() {
        for length in [0, 1, 15, 16, 17, 1000] {
            let body = noise(length);
            let mut out = BytesMut::from("before");
            key.encrypt(&body, &mut out);
            let encrypted = out.split_off("before".len());
            assert_eq!(out, "before");
            assert_eq!(encrypted.len(), (length / 16 + 1) * 16);
            assert_eq!(key.decrypt(&encrypted), Ok(body.into()));
        }
    }
}

#[test]
fn keys_of_24_and_32_characters_are_aes_192_and_256() {
    // From OpenSSL, with -K and -iv.
    let [_, aes_192, aes_256] = keys();
    let mut out = BytesMut::new();
    aes_192.encrypt(b"body", &mut out);
    assert_eq!(
        out,
        &b"\xcd\xf8\x4d\x60\x87\x00\xaf\xce\x24\x4c\xda\xb5\x7b\x15\x0f\x4c"[..]
    );
    out.clear();
    aes_256.encrypt(b"body", &mut out);
    assert_eq!(
        out,
        &b"\x46\x17\x8b\x8b\xc4\x1f\x8d\x47\x37\x34\x47\xb2\x6e\x04\xa6\xbe"[..]
    );
}

#[test]
fn what_no_key_or_another_encrypted_is_refused() {
    let [key, other, _] = keys();
    for bytes in [&b""[..], b"body", &[0; 15], &[0; 16], &[0; 17]] {
        assert_eq!(key.decrypt(bytes), Err(Undecryptable), "{bytes:?}");
    }
    let mut out = BytesMut::new();
    other.encrypt(b"body", &mut out);
    assert_eq!(key.decrypt(&out), Err(Undecryptable));
}

fn compressed(kind: Compression, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    compress(kind, body, &mut out).expect("short enough");
    out.into()
}

fn keys() -> [Key; 3] {
    [
        "0123456789abcdef",
        "0123456789abcdef01234567",
        "0123456789abcdef0123456789abcdef",
    ]
    .map(|text| Key::new(text).expect("a good length"))
}

/// Bytes in which nothing repeats.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}
