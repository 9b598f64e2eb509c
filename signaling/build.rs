//! Pages are embedded from `web/`: a changed or new file there is a reason to build again.

fn main() {
    println!("cargo:rerun-if-changed=../web");
}
