//! Whether a message was signed by the client whose it is.

use ring::signature::{RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RsaPublicKeyComponents};
use tangelo_wire::pomelo::signing::{self, RsaKey};

/// The body without its signature, if that is good.
pub(crate) fn checked(key: &RsaKey, body: &[u8]) -> Option<Vec<u8>> {
    let signed = signing::split(body, key)?;
    let RsaKey { modulus, exponent } = key;
    let public = RsaPublicKeyComponents {
        n: modulus,
        e: exponent,
    };
    // What Pomelo's clients have is all there is to be had.
    let manner = &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY;
    let is_of = |text: &[u8]| public.verify(manner, text, &signed.signature).is_ok();
    let is_good =
        is_of(&signed.body) || signing::in_units(&signed.body).is_some_and(|text| is_of(&text));
    is_good.then_some(signed.body)
}
