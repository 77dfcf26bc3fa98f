//! Calls UserService in every manner there is.

use std::{process::ExitCode, time::Duration};

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{Message, Status},
};
use userservice::{
    push::{PushReq, PushRes, PushService, PushServiceServer},
    user::{LoginReq, UpdateProfileReq, UserServiceClient},
};

pub(crate) fn run(to: &str) -> ExitCode {
    let app = Bootstrap::new("userclient")
        .referer::<UserServiceClient>("us", to)
        .reverse_service(PushServiceServer::new(Told))
        .start_blocking();
    let app = match app {
        Ok(app) => app,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = sync_call(&app).and_then(|()| app.runtime().block_on(async_calls(&app)));
    app.stop(Duration::from_secs(3));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(status) => {
            eprintln!("failed: {status}");
            ExitCode::FAILURE
        }
    }
}

/// Without async: the thread waits.
fn sync_call(app: &RpcApp) -> Result<(), Status> {
    let us: UserServiceClient = app.referer("us")?;
    let response = us.login(login("abc", "mmm")).wait()?;
    say(&format!(
        "sync: login answered {}, user id `{}`",
        response.ret_code, response.user_id
    ));
    Ok(())
}

async fn async_calls(app: &RpcApp) -> Result<(), Status> {
    let us: UserServiceClient = app.referer("us")?;

    // It runs from now on; what it answers is asked for later.
    let started = us.login(login("started", "mmm")).start();
    say("async: started, and doing something else meanwhile");
    let response = started.await?;
    say(&format!(
        "async: login answered {}, user id `{}`",
        response.ret_code, response.user_id
    ));

    // Both at once, then what follows from them.
    let (anna, ming) = tokio::try_join!(
        us.login(login("anna", "mmm")),
        us.login(login("ming", "mmm")),
    )?;
    say(&format!(
        "combined: `{}` and `{}`",
        anna.user_id, ming.user_id
    ));

    // A code of the application's is an answer like any other, unless it is asked to be an error.
    let refused = us.login(login("nobody", "")).await?;
    say(&format!(
        "refused: {} ({})",
        refused.ret_code, refused.ret_msg
    ));
    if let Err(status) = refused.checked() {
        say(&format!("refused, as an error: {status}"));
    }

    // To answer this the server calls us.
    let with_patience = us.with_timeout(Duration::from_secs(1));
    let request = UpdateProfileReq {
        user_id: anna.user_id,
        mobile: "123".to_owned(),
    };
    let updated = with_patience.update_profile(request).await?;
    say(&format!(
        "push: updateProfile answered {}",
        updated.ret_code
    ));
    Ok(())
}

/// What the server calls.
struct Told;

impl PushService for Told {
    async fn push(&self, request: PushReq) -> Result<PushRes, Status> {
        say(&format!("push: the server says: {}", request.message));
        Ok(PushRes::default())
    }
}

fn login(name: &str, password: &str) -> LoginReq {
    LoginReq {
        user_name: name.to_owned(),
        password: password.to_owned(),
    }
}

#[expect(clippy::print_stdout, reason = "it is what the example shows")]
fn say(line: &str) {
    println!("{line}");
}
