//! Serves UserService.

use std::{
    process::ExitCode,
    sync::{Arc, OnceLock},
};

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{ServerContext, Status},
};
use userservice::{
    push::{PushReq, PushServiceClient},
    user::{
        LoginReq, LoginRes, UpdateProfileReq, UpdateProfileRes, UserService, UserServiceServer,
    },
};

/// No user of this name, or another password.
const WRONG_USER: i32 = -100_002;

pub(crate) fn run(port: u16) -> ExitCode {
    let app = Arc::new(OnceLock::new());
    Bootstrap::new("userservice")
        .server(port)
        .service(UserServiceServer::new(Users {
            app: Arc::clone(&app),
        }))
        .reverse_referer::<PushServiceClient>("push")
        .monitor(|monitor| monitor.mask_fields(["password".to_owned()]))
        .serve_with(move |running| {
            let _ = app.set(running.clone());
        })
}

/// The users: whoever has a password is one.
struct Users {
    app: Arc<OnceLock<RpcApp>>,
}

impl UserService for Users {
    async fn login(&self, request: LoginReq) -> Result<LoginRes, Status> {
        if request.password.is_empty() {
            return Ok(LoginRes {
                ret_code: WRONG_USER,
                ret_msg: "user or password is wrong".to_owned(),
                ..LoginRes::default()
            });
        }
        Ok(LoginRes {
            user_id: format!("id of {}", request.user_name),
            ..LoginRes::default()
        })
    }

    async fn update_profile(&self, request: UpdateProfileReq) -> Result<UpdateProfileRes, Status> {
        let message = format!("{} has the number {} now", request.user_id, request.mobile);
        if let Some(connection) = ServerContext::current().and_then(|it| it.connection().cloned())
            && let Some(Ok(client)) = self
                .app
                .get()
                .map(|app| app.push::<PushServiceClient>("push", connection.name()))
        {
            // The other way, over the connection that this request came over.
            let told = client
                .push(PushReq {
                    client_id: request.user_id,
                    message,
                })
                .await?;
            return Ok(UpdateProfileRes {
                ret_code: told.ret_code,
                ..UpdateProfileRes::default()
            });
        }
        Ok(UpdateProfileRes::default())
    }
}
