//! Reads .proto files and has Rust written for them.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use tangelo_reflect::compile::{compile as compile_application, compile_system};

use crate::{
    Builder, Error, comments,
    generate::{self, Generator},
    names,
};

#[expect(
    clippy::print_stdout,
    reason = "it is how a build script talks to cargo"
)]
pub(crate) fn compile(builder: &Builder, files: &[impl AsRef<Path>]) -> Result<(), Error> {
    let watch = |path: &Path| println!("cargo::rerun-if-changed={}", path.display());
    files.iter().for_each(|file| watch(file.as_ref()));
    let mut compiled = if builder.services {
        compile_application(files, &builder.includes)
    } else {
        compile_system(files, &builder.includes)
    }?;
    compiled.paths().for_each(watch);
    let mut set = compiled.with_comments();
    // Nobody says options in Rust. Google's messages are those of prost-types.
    let is_options = |name: &str| {
        matches!(
            name,
            "google/api/http.proto" | "google/api/annotations.proto"
        )
    };
    set.file
        .retain(|file| file.package() != "krpc" && !is_options(file.name()));
    let clashes = names::clashes(&compiled, &set, builder.services);
    if !clashes.is_empty() {
        return Err(Error::Names(clashes));
    }
    comments::tame(&mut set);

    let mut config = prost_build::Config::new();
    let codegen = format!("{}::codegen", builder.rpc_path);
    config
        .bytes(["."])
        .type_attribute(".", generate::ALLOW)
        .prost_path(format!("{codegen}::prost"))
        .prost_types_path(format!("{codegen}::prost_types"));
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
