//! Compiles the schemas with a compiler written in Rust, so that no `protoc` has to be installed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let ours = ["objects", "errors", "link", "service"];
    let ours = ours.map(|name| format!("kittengrad/v1/{name}.proto"));
    let standard = ["status", "error_details"].map(|name| format!("google/rpc/{name}.proto"));
    let files = ours.into_iter().chain(standard);
    let descriptors = protox::compile(files, ["schema"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;

    let grpc = env::var_os("CARGO_FEATURE_GRPC").is_some();
    tonic_prost_build::configure()
        .build_client(grpc)
        .build_server(grpc)
        .bytes(".")
        // Ordered maps, so that equal messages have equal bytes.
        .btree_map(".")
        .codec_path("crate::codec::WeighedCodec")
        .compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed=schema");
    Ok(())
}
