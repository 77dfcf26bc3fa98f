//! Serves UserService, and accounts.

use std::{
    process::ExitCode,
    sync::{Arc, OnceLock},
};

use crate::{
    account::AccountServiceServer,
    accounts::Accounts,
    push::{PushReq, PushServiceClient},
    user::{
        LoginReq, LoginRes, UpdateProfileReq, UpdateProfileRes, UserService, UserServiceServer,
    },
};
use tangelo::{
    Bootstrap, RpcApp,
    rpc::{ServerContext, Status},
};

/// No user of this name, or another password: an application's codes have the service's number in front.
const WRONG_USER: i32 = -100_002;

/// Serves until Ctrl-C; then what runs is answered first.
pub fn run(port: u16) -> ExitCode {
    let users = Arc::new(Users::default());
    with(port, &users).serve_with(move |app| {
        let _ = users.app.set(app.clone());
    })
}

/// The same services within another program, which have nobody to tell anything.
pub fn at(port: u16) -> Bootstrap {
    with(port, &Arc::default())
}

fn with(port: u16, users: &Arc<Users>) -> Bootstrap {
    Bootstrap::new("userservice")
        .server(port)
        .service(UserServiceServer::shared(Arc::clone(users)))
        .service(AccountServiceServer::new(Accounts))
        // Our clients serve this one, and we call it over the connections that they made.
        .reverse_referer::<PushServiceClient>("push")
        // Nobody reads passwords in the access log.
        .monitor(|monitor| monitor.mask_fields(["password".to_owned()]))
}

/// The users: whoever has a password is one.
#[derive(Default)]
struct Users {
    /// For calls to clients. It is there once the application runs, which this is a part of.
    app: OnceLock<RpcApp>,
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
            ret_msg: "welcome".to_owned(),
            user_id: format!("id of {}", request.user_name),
            ..LoginRes::default()
        })
    }

    async fn update_profile(&self, request: UpdateProfileReq) -> Result<UpdateProfileRes, Status> {
        let message = format!("{} has the number {} now", request.user_id, request.mobile);
        let told = match self.tell(request.user_id, message).await {
            Ok(()) => "you have been told".to_owned(),
            // Not every client serves PushService; the number has changed all the same.
            Err(status) => format!("you could not be told: {status}"),
        };
        Ok(UpdateProfileRes {
            ret_msg: told,
            ..UpdateProfileRes::default()
        })
    }
}

impl Users {
    /// Tells the client whose request is being answered, by a call the other way: krpc's PUSH. It is a
    /// call like any other, but for the connection that has to be named.
    async fn tell(&self, client_id: String, message: String) -> Result<(), Status> {
        let context = ServerContext::current();
        let connection = context.as_ref().and_then(ServerContext::connection);
        if let (Some(app), Some(connection)) = (self.app.get(), connection) {
            let client: PushServiceClient = app.push("push", connection.name())?;
            client.push(PushReq { client_id, message }).await?;
        }
        Ok(())
    }
}
