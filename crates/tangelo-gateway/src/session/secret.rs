//! Random texts nobody guesses.

use data_encoding::HEXLOWER;

/// 128 bits from the system, in 32 hexadecimal digits: as long as krpc's.
fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(HEXLOWER.encode(&bytes))
}

/// What a client has to show.
pub(crate) fn new_secret() -> Result<String, getrandom::Error> {
    random()
}

/// What services see.
pub(crate) fn new_id() -> Result<String, getrandom::Error> {
    random()
}

/// Whether it can be one of ours. Others are not looked for.
pub(super) fn is_possible(secret: &str) -> bool {
    secret.len() == 32 && secret.bytes().all(|byte| byte.is_ascii_hexdigit())
}
