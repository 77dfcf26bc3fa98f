//! Calls UserService in every manner there is, in the order of krpc's own example.

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
    // krpc has one referer for calls that wait and one for calls that do not; here one client does both.
    let app = Bootstrap::new("userclient")
        .referer::<UserServiceClient>("us", to)
        // What the server may ask us, over the connection that we make to it.
        .reverse_service(PushServiceServer::new(Listener))
        // A program with a runtime says `.start().await`.
        .start_blocking();
    let app = match app {
        Ok(app) => app,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = sync_calls(&app).and_then(|()| app.runtime().block_on(async_calls(&app)));
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
fn sync_calls(app: &RpcApp) -> Result<(), Status> {
    let us: UserServiceClient = app.referer("us")?;
    let res = us.login(req("abc", "mmm")).wait()?;
    say(&format!("sync: {}", res.user_id));
    Ok(())
}

async fn async_calls(app: &RpcApp) -> Result<(), Status> {
    let us: UserServiceClient = app.referer("us")?;

    // A call is a future, which does nothing before it is awaited; `start` has it begin now. Dropping a
    // future cancels the call; one that was started goes on.
    let f1 = us.login(req("abc", "mmm")).start();
    say("async: doing other things");
    let res1 = f1.await?;
    say(&format!("async: {}", res1.user_id));

    // What is to be done with the answer is said where it is awaited.
    let f2 = us.login(req("nobody", "")).start();
    let listener = async {
        let res2 = f2.await?;
        say(&format!(
            "listener: retCode={}, retMsg={}",
            res2.ret_code, res2.ret_msg
        ));
        Ok(res2)
    };

    // Several at once, the listener among them; then what follows from all of them.
    let (refused, anna, ming) = tokio::try_join!(
        listener,
        us.login(req("anna", "mmm")),
        us.login(req("ming", "mmm")),
    )?;
    say(&format!("combined: {}, {}", anna.user_id, ming.user_id));

    // The application's own codes are answers like any other, until somebody wants them to be errors.
    if let Err(status) = refused.checked() {
        say(&format!("checked: {status}"));
    }

    // To be handed over, whatever the answer.
    us.login(req("abc", "mmm")).one_way().await?;
    say("one way: handed over");

    // To answer this one the server calls us; for once it has a second, not the referer's three.
    let patient = us.with_timeout(Duration::from_secs(1));
    let update = UpdateProfileReq {
        user_id: anna.user_id,
        mobile: "123".to_owned(),
    };
    let updated = patient.update_profile(update).await?;
    say(&format!("update: {}", updated.ret_msg));
    Ok(())
}

/// Hears what the server says.
struct Listener;

impl PushService for Listener {
    async fn push(&self, request: PushReq) -> Result<PushRes, Status> {
        say(&format!("push: {}", request.message));
        Ok(PushRes::default())
    }
}

/// A user, and what he says to be let in.
fn req(user_name: &str, password: &str) -> LoginReq {
    LoginReq {
        user_name: user_name.to_owned(),
        password: password.to_owned(),
    }
}

#[expect(clippy::print_stdout, reason = "it is what the example shows")]
fn say(line: &str) {
    println!("{line}");
}
