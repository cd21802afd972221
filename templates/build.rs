//! Makes cargo notice new files among those that are embedded.

fn main() {
    for folder in ["problems/pretrain/code", "problems/pretrain/catalogue", "prompts", "skeleton"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
