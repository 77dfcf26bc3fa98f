//! Bodies made unreadable as krpc 0.2.51 does it: AES in CBC mode with PKCS #7 padding.
//!
//! It keeps a body from who only listens. The initialization vector is fixed, so equal bodies look
//! equal, and nothing tells that a body was changed on its way: a network that is not trusted needs TLS.

use std::fmt;

use aes::{
    Aes128, Aes192, Aes256,
    cipher::{
        BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit,
        KeyInit, block_padding::Pkcs7, consts::U16,
    },
};
use bytes::{BufMut, Bytes, BytesMut};
use cbc::{Decryptor, Encryptor};

/// The value of the field `encrypt` of a meta whose body is encrypted.
pub const AES: i32 = 1;

/// The same for all, as in krpc.
const INITIALIZATION_VECTOR: [u8; 16] = *b"2018101800112299";

/// A key that both sides of a connection know. How they agreed on it is not krpc's matter.
#[derive(Clone)]
pub struct Key(Cipher);

#[derive(Clone)]
enum Cipher {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
}

/// A key that is not 16, 24 or 32 ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has 16, 24 or 32 ASCII characters")]
pub struct InvalidKey;

/// A body that this key did not encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("body is not encrypted with this key")]
pub struct Undecryptable;

impl Key {
    /// The key whose bytes are these ASCII characters: 16, 24 or 32 of them.
    ///
    /// # Errors
    /// Text of another length, or with other characters.
    pub fn new(text: &str) -> Result<Self, InvalidKey> {
        if !text.is_ascii() {
            return Err(InvalidKey);
        }
        let bytes = text.as_bytes();
        Aes128::new_from_slice(bytes)
            .map(Cipher::Aes128)
            .or_else(|_| Aes192::new_from_slice(bytes).map(Cipher::Aes192))
            .or_else(|_| Aes256::new_from_slice(bytes).map(Cipher::Aes256))
            .map(Self)
            .map_err(|_| InvalidKey)
    }

    /// Appends the encrypted body: 1 to 16 bytes more, a multiple of 16.
    pub fn encrypt(&self, body: &[u8], out: &mut BytesMut) {
        out.put_slice(&match &self.0 {
            Cipher::Aes128(cipher) => encrypt(cipher, body),
            Cipher::Aes192(cipher) => encrypt(cipher, body),
            Cipher::Aes256(cipher) => encrypt(cipher, body),
        });
    }

    /// Makes a body what it was before it was encrypted.
    ///
    /// # Errors
    /// Bytes of no such length, or whose padding is none under this key.
    pub fn decrypt(&self, bytes: &[u8]) -> Result<Bytes, Undecryptable> {
        match &self.0 {
            Cipher::Aes128(cipher) => decrypt(cipher, bytes),
            Cipher::Aes192(cipher) => decrypt(cipher, bytes),
            Cipher::Aes256(cipher) => decrypt(cipher, bytes),
        }
    }
}

impl fmt::Debug for Key {
    /// Does not show the key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(..)")
    }
}

fn encrypt<C: BlockCipherEncrypt<BlockSize = U16> + Clone>(cipher: &C, body: &[u8]) -> Vec<u8> {
    Encryptor::inner_iv_init(cipher.clone(), &INITIALIZATION_VECTOR.into())
        .encrypt_padded_vec::<Pkcs7>(body)
}

fn decrypt<C: BlockCipherDecrypt<BlockSize = U16> + Clone>(
    cipher: &C,
    bytes: &[u8],
) -> Result<Bytes, Undecryptable> {
    Decryptor::inner_iv_init(cipher.clone(), &INITIALIZATION_VECTOR.into())
        .decrypt_padded_vec::<Pkcs7>(bytes)
        .map(Bytes::from)
        .map_err(|_| Undecryptable)
}
