//! The folders keep to themselves what is theirs: which package may use which library, and which of our own.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Direct, normal dependencies by package.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    metadata
        .packages
        .iter()
        .map(|package| {
            let names = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal)
                .map(|dependency| dependency.name.clone())
                .collect();
            (package.name.to_string(), names)
        })
        .collect()
}

#[test]
fn a_library_is_used_only_where_it_is_owned() {
    let owners = [
        ("git2", "autores-executor"),
        ("nvml-wrapper", "autores-executor"),
        ("landlock", "autores-executor"),
        ("reqwest", "autores-ideators"),
        ("handlebars", "autores-templates"),
        ("serde-saphyr", "autores-templates"),
        ("kube", "autores-k8s"),
        ("k8s-openapi", "autores-k8s"),
        ("sqlx", "autores-results"),
        ("clap", "autores"),
        ("anyhow", "autores"),
    ];
    for (package, uses) in dependencies() {
        for (library, owner) in owners {
            assert!(
                !uses.contains(library) || package == owner,
                "{package} uses {library}, which is {owner}'s"
            );
        }
    }
}

#[test]
fn dependencies_point_inwards() {
    let allowed: BTreeMap<&str, &[&str]> = [
        ("autores-domain", &[][..]),
        ("autores-templates", &["autores-domain"]),
        ("autores-executor", &["autores-domain"]),
        ("autores-engine", &["autores-domain"]),
        ("autores-results", &["autores-domain"]),
        ("autores-ideators", &["autores-domain", "autores-templates"]),
    ]
    .into();
    for (package, uses) in dependencies() {
        let Some(allowed) = allowed.get(package.as_str()) else {
            assert_eq!(package, "autores", "{package} has no place in the order of the folders");
            continue;
        };
        for used in uses.iter().filter(|name| name.starts_with("autores")) {
            assert!(allowed.contains(&used.as_str()), "{package} must not use {used}");
        }
    }
}

#[test]
fn the_domain_has_no_runtime_clock_or_input() {
    let uses = &dependencies()["autores-domain"];
    for forbidden in ["tokio", "jiff", "tracing", "futures-util"] {
        assert!(!uses.contains(forbidden), "the domain uses {forbidden}");
    }
}
