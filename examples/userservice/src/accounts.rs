//! Serves AccountService: whoever has a password has an account.

use tangelo::rpc::Status;

use crate::account::{
    AccountService, MeReq, MeRes, Session, SignInReq, SignInRes, SignOutReq, SignOutRes,
};

/// No user of this name, or another password.
const WRONG_USER: i32 = -101_001;

/// The accounts. Who has signed in the gateway remembers.
pub(crate) struct Accounts;

impl AccountService for Accounts {
    async fn sign_in(&self, request: SignInReq) -> Result<SignInRes, Status> {
        if request.password.is_empty() {
            return Ok(SignInRes {
                ret_code: WRONG_USER,
                ret_msg: "user or password is wrong".to_owned(),
                session: None,
            });
        }
        let session = Session {
            login_flag: "1".to_owned(),
            user_id: format!("id of {}", request.user_name),
            user_name: request.user_name,
        };
        Ok(SignInRes {
            session: Some(session),
            ..SignInRes::default()
        })
    }

    async fn sign_out(&self, _: SignOutReq) -> Result<SignOutRes, Status> {
        let session = Session {
            login_flag: "0".to_owned(),
            ..Session::default()
        };
        Ok(SignOutRes {
            session: Some(session),
            ..SignOutRes::default()
        })
    }

    async fn me(&self, request: MeReq) -> Result<MeRes, Status> {
        Ok(MeRes {
            user_id: request.user_id,
            user_name: request.user_name,
            ..MeRes::default()
        })
    }
}
