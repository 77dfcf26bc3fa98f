//! Reads .proto files and has Rust written for them.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    Builder, Error,
    generate::{self, Generator},
};

#[expect(
    clippy::print_stdout,
    reason = "it is how a build script talks to cargo"
)]
pub(crate) fn compile(builder: &Builder, files: &[impl AsRef<Path>]) -> Result<(), Error> {
    for file in files {
        println!("cargo::rerun-if-changed={}", file.as_ref().display());
    }
    let mut compiled = tangelo_reflect::compile::compile(files, &[] as &[&Path])?;
    let mut set = compiled.with_comments();
    // Nobody calls the options' own file from Rust.
    set.file
        .retain(|file| !matches!(file.package(), "krpc" | "google.protobuf"));

    let mut config = prost_build::Config::new();
    config
        .bytes(["."])
        .type_attribute(".", generate::ALLOW)
        .prost_path(format!("{}::codegen::prost", builder.rpc_path));
    if builder.services {
        let services = compiled.pool().services();
        let packages: BTreeSet<_> = services
            .map(|service| service.package().to_owned())
            .collect();
        let (descriptors, out_dir) = (compiled.descriptor_set(true), out_dir(builder)?);
        for package in packages {
            fs::write(
                out_dir.join(generate::descriptors_file(&package)),
                &descriptors,
            )?;
        }
        let generator = Generator::new(builder.rpc_path.clone(), compiled);
        config.service_generator(Box::new(generator));
    }
    if let Some(out_dir) = &builder.out_dir {
        config.out_dir(out_dir);
    }
    config.compile_fds(set)?;
    Ok(())
}

fn out_dir(builder: &Builder) -> Result<PathBuf, Error> {
    let given = builder.out_dir.clone();
    given
        .or_else(|| std::env::var_os("OUT_DIR").map(PathBuf::from))
        .ok_or_else(|| {
            Error::Io(io::Error::other(
                "OUT_DIR is not set: call it from build.rs",
            ))
        })
}
