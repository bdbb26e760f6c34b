//! Makes the Rust of the protocol from its `.proto` files: messages by prost, and for every service a trait, a
//! server that puts an implementation into a `k3ts_frames::Router`, and a client.
//!
//! `k3ts-proto-gen <folder of the .proto files> <folder to write into>` writes `frames.rs`, which belongs to
//! k3ts-frames, and `v1.rs`, which belongs to k3ts-proto. Run by `ffi/generate.ts`.

mod service;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost_build::Config;

const HEADER: &str = "// Made by ffi/generate.ts. Not to be edited.\n\n";

/// The head and tail of every call: needed by k3ts-frames, on which everything else builds.
const FRAME: &str = "frame.proto";

/// Messages that are read from proto3 JSON too.
const READ_FROM_JSON: [&str; 3] = [
    "k3ts.v1.SupervisorConfig",
    "k3ts.v1.SupervisedSocket",
    "k3ts.v1.SupervisedProcess",
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [protos, out] = arguments.as_slice() else {
        return Err("Cannot generate as two arguments are needed: <folder of the .proto files> <folder>".into());
    };
    let (frame, others): (Vec<_>, Vec<_>) = proto_files(&protos.join("k3ts/v1"))?
        .into_iter()
        .partition(|path| path.ends_with(FRAME));

    generate(&mut Config::new(), protos, &frame, &out.join("frames.rs"))?;

    let mut config = Config::new();
    config.service_generator(Box::new(service::Generator));
    for message in READ_FROM_JSON {
        config.type_attribute(message, "#[derive(::serde::Deserialize)]");
        config.type_attribute(message, "#[serde(rename_all = \"camelCase\", default)]");
    }
    config.field_attribute(
        "k3ts.v1.SupervisedSocket.protocol",
        "#[serde(deserialize_with = \"crate::json::socket_protocol\")]",
    );
    generate(&mut config, protos, &others, &out.join("v1.rs"))
}

/// All files are of one package, so that prost makes one module of them.
fn generate(config: &mut Config, root: &Path, files: &[PathBuf], target: &Path) -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(files, [root])?;
    let requests = descriptors
        .file
        .into_iter()
        .map(|file| (prost_build::Module::from_protobuf_package_name(file.package()), file))
        .collect();
    let mut modules = config
        .bytes(["."])
        .enable_type_names()
        .generate(requests)?
        .into_values();
    let (Some(module), None) = (modules.next(), modules.next()) else {
        return Err(format!(
            "Cannot generate {} as its files must be of one package",
            target.display()
        )
        .into());
    };
    fs::write(target, format!("{HEADER}{module}"))?;
    Ok(())
}

/// In the order of their names, so that the same files make the same code.
fn proto_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
