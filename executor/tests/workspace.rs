//! Ideas become commits in real git repositories.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use autores_domain::{
    CodePath, Codebase, Edit, FaultClass, Idea, IdeaId, Patch, Revision, TechniqueUse, Workspace,
};
use autores_executor::guard::Rules;
use autores_executor::workspace::{self, GitWorkspace, Source, WorkspaceError};
use git2::{FileMode, Repository, Signature, Time};
use proptest::prelude::*;
use tempfile::TempDir;

fn path(text: &str) -> CodePath {
    text.parse().unwrap()
}

fn write(at: &str, content: &str) -> Edit {
    Edit::Write { path: path(at), content: content.into() }
}

fn replace(at: &str, find: &str, with: &str) -> Edit {
    Edit::Replace { path: path(at), find: find.into(), replace: with.into() }
}

fn delete(at: &str) -> Edit {
    Edit::Delete { path: path(at) }
}

fn idea(number: u32) -> Idea {
    let run: autores_domain::RunId = "brisk-otter".parse().unwrap();
    let mut idea = Idea::baseline(IdeaId { run: run.clone(), number });
    idea.title = "Larger\u{1b}[31m learning\nrate".into();
    idea.hypothesis = "It learns faster.".into();
    idea.plan = "Set lr.".into();
    idea.parents = vec![IdeaId { run, number: 0 }];
    idea.sources = vec!["A paper".into()];
    idea.techniques = vec![TechniqueUse {
        technique: "lr".into(),
        knobs: [("rate".to_owned(), "0.02".to_owned())].into(),
    }];
    idea
}

fn rules() -> Rules {
    let globs = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    Rules::new(
        &globs(&["train.py", "run.sh", "data.bin", "modules/**/*.py"]),
        &globs(&["**/frozen.py"]),
    )
    .unwrap()
}

/// A repository with the code in a folder of it, a file beside it, a binary file and an executable.
struct Fixture {
    folder: TempDir,
    source: Source,
}

impl Fixture {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(extra: &[(&str, FileMode)]) -> Self {
        let folder = TempDir::new().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let blob = |content: &[u8]| repository.blob(content).unwrap();
        let empty =
            repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let mut update = git2::build::TreeUpdateBuilder::new();
        update.upsert("README.md", blob(b"outside\n"), FileMode::Blob);
        update.upsert(".gitattributes", blob(b"*.py binary\n"), FileMode::Blob);
        update.upsert("code/train.py", blob(b"lr = 1\nsteps = 2\n"), FileMode::Blob);
        update.upsert("code/evaluate.py", blob(b"loss = 3\n"), FileMode::Blob);
        update.upsert("code/run.sh", blob(b"#!/bin/sh\n"), FileMode::BlobExecutable);
        update.upsert("code/data.bin", blob(b"\0\x01\xff"), FileMode::Blob);
        update.upsert("code/modules/attention.py", blob(b"heads = 4\n"), FileMode::Blob);
        for (path, mode) in extra {
            update.upsert(*path, blob(b"train.py"), *mode);
        }
        let tree =
            repository.find_tree(update.create_updated(&repository, &empty).unwrap()).unwrap();
        let who = Signature::new("someone", "someone@example.org", &Time::new(1_700_000_000, 60))
            .unwrap();
        let commit =
            repository.commit(Some("refs/heads/main"), &who, &who, "start", &tree, &[]).unwrap();
        let source = Source {
            repository: folder.path().to_owned(),
            prefix: "code".into(),
            base: Revision { commit: commit.to_string(), tree: String::new(), lines: (0, 0) },
        };
        Self { folder, source }
    }

    fn repository(&self) -> Repository {
        Repository::open(self.folder.path()).unwrap()
    }

    fn workspace(&self) -> GitWorkspace {
        GitWorkspace::open(self.source.clone(), rules()).unwrap()
    }

    fn commit(&self, edits: Vec<Edit>) -> Result<Revision, autores_domain::Fault> {
        block_on(self.workspace().commit(&idea(3), None, &Patch { edits }))
    }

    fn fault(&self, edits: Vec<Edit>) -> (FaultClass, String) {
        let fault = self.commit(edits).unwrap_err();
        (fault.class, fault.reason)
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn the_codebase_is_the_text_below_the_prefix() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let names: Vec<&str> = workspace.codebase().keys().map(CodePath::as_str).collect();
    assert_eq!(names, ["evaluate.py", "modules/attention.py", "run.sh", "train.py"]);
}

#[test]
fn an_idea_becomes_a_commit_on_its_branch() {
    let fixture = Fixture::new();
    let revision = fixture
        .commit(vec![
            replace("train.py", "lr = 1", "lr = 2"),
            write("modules/new/mlp.py", "a\nb\n"),
        ])
        .unwrap();
    assert_eq!(revision.lines, (3, 1));
    let repository = fixture.repository();
    let branch = repository.find_reference("refs/heads/autores/brisk-otter/i3").unwrap();
    let commit = branch.peel_to_commit().unwrap();
    assert_eq!(commit.id().to_string(), revision.commit);
    assert_eq!(commit.parent_id(0).unwrap().to_string(), fixture.source.base.commit);
    assert_eq!(
        commit.message().unwrap(),
        "Larger[31m learning rate\n\nIt learns faster.\n\nSet lr.\n\nSources:\n- A paper\n\n\
         Techniques:\n- lr rate=0.02\n\n\
         Autores-Idea: brisk-otter/i3\nAutores-Origin: autores\nAutores-Parent: brisk-otter/i0\n"
    );
    let tree = commit.tree().unwrap().get_path(Path::new("code")).unwrap().id();
    assert_eq!(tree.to_string(), revision.tree);
}

#[test]
fn the_same_edits_give_the_same_commit() {
    let fixture = Fixture::new();
    let edits = || vec![replace("train.py", "lr = 1", "lr = 2")];
    assert_eq!(fixture.commit(edits()), fixture.commit(edits()));
}

#[test]
fn a_draft_is_the_commit_without_the_branch() {
    let fixture = Fixture::new();
    let patch = Patch { edits: vec![replace("train.py", "lr = 1", "lr = 2")] };
    let draft = block_on(fixture.workspace().draft(&idea(3), None, &patch)).unwrap();
    assert!(fixture.repository().find_reference("refs/heads/autores/brisk-otter/i3").is_err());
    assert_eq!(fixture.commit(patch.edits).unwrap(), draft);
}

#[test]
fn a_repair_changes_the_code_of_the_revision_before_and_follows_it() {
    let fixture = Fixture::new();
    let workspace = fixture.workspace();
    let first = fixture
        .commit(vec![
            replace("train.py", "lr = 1", "lr = 2"),
            write("modules/new.py", "width = 1\n"),
        ])
        .unwrap();
    let code = block_on(workspace.code(&first)).unwrap();
    assert_eq!(code[&path("train.py")], "lr = 2\nsteps = 2\n");
    assert_eq!(code[&path("modules/new.py")], "width = 1\n");

    let repair = Patch { edits: vec![replace("modules/new.py", "width = 1", "width = 8")] };
    let second = block_on(workspace.commit(&idea(3), Some(&first), &repair)).unwrap();
    assert_eq!(block_on(workspace.commit(&idea(3), Some(&first), &repair)), Ok(second.clone()));
    assert_eq!(second.lines, (2, 1), "counted from the base");
    let code = block_on(workspace.code(&second)).unwrap();
    assert_eq!(code[&path("train.py")], "lr = 2\nsteps = 2\n");
    assert_eq!(code[&path("modules/new.py")], "width = 8\n");
    let repository = fixture.repository();
    let branch = repository.find_reference("refs/heads/autores/brisk-otter/i3").unwrap();
    let commit = branch.peel_to_commit().unwrap();
    assert_eq!(commit.id().to_string(), second.commit);
    assert_eq!(commit.parent_id(0).unwrap().to_string(), first.commit);
}

#[test]
fn a_repair_that_takes_everything_back_is_refused() {
    let fixture = Fixture::new();
    let first = fixture.commit(vec![replace("train.py", "lr = 1", "lr = 2")]).unwrap();
    let back = Patch { edits: vec![replace("train.py", "lr = 2", "lr = 1")] };
    let fault = block_on(fixture.workspace().commit(&idea(3), Some(&first), &back)).unwrap_err();
    assert_eq!(fault.class, FaultClass::Patch);
    assert!(fault.reason.contains("take back all"), "{fault}");
}

#[test]
fn a_repair_brings_no_frozen_change_in_from_its_parent() {
    let fixture = Fixture::new();
    let repository = fixture.repository();
    let base = repository.revparse_single("refs/heads/main").unwrap().peel_to_commit().unwrap();
    let mut update = git2::build::TreeUpdateBuilder::new();
    let blob = repository.blob(b"loss = 0\n").unwrap();
    update.upsert("code/evaluate.py", blob, FileMode::Blob);
    let tree = update.create_updated(&repository, &base.tree().unwrap()).unwrap();
    let tree = repository.find_tree(tree).unwrap();
    let who = Signature::new("someone", "someone@example.org", &Time::new(0, 0)).unwrap();
    let commit = repository.commit(None, &who, &who, "smuggled", &tree, &[&base]).unwrap();
    let onto = Revision { commit: commit.to_string(), tree: tree.id().to_string(), lines: (1, 1) };
    let patch = Patch { edits: vec![replace("train.py", "lr = 1", "lr = 2")] };
    let fault = block_on(fixture.workspace().draft(&idea(3), Some(&onto), &patch)).unwrap_err();
    assert_eq!(fault.class, FaultClass::Policy);
    assert!(fault.reason.starts_with("evaluate.py matches no editable glob"), "{fault}");
}

#[test]
fn a_revision_of_another_repository_is_not_here() {
    let fixture = Fixture::new();
    let onto = Revision { commit: "1".repeat(40), tree: "2".repeat(40), lines: (1, 0) };
    let fault = block_on(fixture.workspace().code(&onto)).unwrap_err();
    assert_eq!(fault.class, FaultClass::Infra);
    assert!(fault.reason.starts_with("there is no commit 1111"), "{fault}");
}

#[test]
fn a_file_that_comes_back_has_the_mode_that_it_had() {
    let fixture = Fixture::new();
    let first = fixture.commit(vec![delete("run.sh")]).unwrap();
    let back = Patch { edits: vec![write("run.sh", "#!/bin/sh\nexit 0\n")] };
    block_on(fixture.workspace().commit(&idea(3), Some(&first), &back)).unwrap();
}

#[test]
fn another_patch_moves_the_branch() {
    let fixture = Fixture::new();
    fixture.commit(vec![replace("train.py", "lr = 1", "lr = 2")]).unwrap();
    let repaired = fixture.commit(vec![replace("train.py", "lr = 1", "lr = 3")]).unwrap();
    let repository = fixture.repository();
    let branch = repository.find_reference("refs/heads/autores/brisk-otter/i3").unwrap();
    assert_eq!(branch.target().unwrap().to_string(), repaired.commit);
}

#[test]
fn the_diff_is_what_git_shows() {
    let fixture = Fixture::new();
    let revision = fixture.commit(vec![replace("train.py", "lr = 1", "lr = 2")]).unwrap();
    let text =
        workspace::diff(fixture.folder.path(), &fixture.source.base.commit, &revision.commit)
            .unwrap();
    assert!(text.contains("--- a/code/train.py\n+++ b/code/train.py\n@@ -1,2 +1,2 @@\n-lr = 1\n+lr = 2\n steps = 2\n"), "{text}");
}

#[test]
fn a_changed_executable_stays_executable() {
    let fixture = Fixture::new();
    let revision = fixture.commit(vec![write("run.sh", "#!/bin/sh\nexit 0\n")]).unwrap();
    let to = TempDir::new().unwrap();
    workspace::export(fixture.folder.path(), "code", &revision.commit, to.path()).unwrap();
    let mode = fs::metadata(to.path().join("run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
    assert!(!to.path().join("README.md").exists());
    assert_eq!(fs::read_to_string(to.path().join("modules/attention.py")).unwrap(), "heads = 4\n");
}

#[test]
fn edits_outside_the_editable_files_break_policy_with_path_and_rule() {
    let fixture = Fixture::new();
    let cases = [
        (
            write("evaluate.py", "loss = 0\n"),
            "evaluate.py matches no editable glob (train.py, run.sh, data.bin, modules/**/*.py)",
        ),
        (
            write("new.py", "x\n"),
            "new.py matches no editable glob (train.py, run.sh, data.bin, modules/**/*.py)",
        ),
        (
            delete("evaluate.py"),
            "evaluate.py matches no editable glob (train.py, run.sh, data.bin, modules/**/*.py)",
        ),
        (
            write("modules/frozen.py", "x\n"),
            "modules/frozen.py is frozen by \"**/frozen.py\": it measures, so no idea may change it",
        ),
        (
            write("data.bin", "text\n"),
            "data.bin is no UTF-8 text of at most 1 MiB; only such files may change",
        ),
        (
            write("train.py", "a\0b"),
            "train.py is no UTF-8 text of at most 1 MiB; only such files may change",
        ),
    ];
    for (edit, reason) in cases {
        assert_eq!(fixture.fault(vec![edit]), (FaultClass::Policy, reason.to_owned()));
    }
    assert!(fixture.repository().find_reference("refs/heads/autores/brisk-otter/i3").is_err());
}

#[test]
fn edits_that_do_not_apply_say_why() {
    let fixture = Fixture::new();
    let conflict =
        vec![replace("train.py", "lr = 1", "lr = 2"), replace("train.py", "lr = 1", "lr = 3")];
    assert_eq!(
        fixture.fault(conflict),
        (FaultClass::Patch, "edits conflict: train.py has no text \"lr = 1\" to replace, because an earlier edit changed it".into())
    );
    assert_eq!(
        fixture.fault(vec![replace("train.py", "nothing", "lr = 3")]),
        (FaultClass::Patch, "train.py has no text \"nothing\" to replace".into())
    );
    assert_eq!(
        fixture.fault(vec![replace("train.py", "lr = 1\nmomentum = 1\n", "")]),
        (FaultClass::Patch, "train.py has no text \"lr = 1\" to replace".into())
    );
}

#[test]
fn a_file_cannot_become_a_folder() {
    let fixture = Fixture::new();
    let (class, reason) = fixture.fault(vec![write("modules/attention.py/x.py", "a\n")]);
    assert_eq!(
        (class, reason.as_str()),
        (
            FaultClass::Patch,
            "modules/attention.py is a file, so modules/attention.py/x.py cannot be written"
        )
    );
    let both = vec![write("modules/a.py", "a\n"), write("modules/a.py/b.py", "b\n")];
    assert_eq!(fixture.fault(both).0, FaultClass::Patch);
}

#[test]
fn a_codebase_with_links_or_submodules_is_refused() {
    for (mode, kind) in [(FileMode::Link, "a symbolic link"), (FileMode::Commit, "a submodule")] {
        let fixture = Fixture::with(&[("code/odd", mode)]);
        let error = GitWorkspace::open(fixture.source.clone(), rules()).unwrap_err();
        assert!(error.to_string().starts_with(&format!("odd is {kind}")), "{error}");
        let to = fixture.folder.path().join("export");
        let commit = &fixture.source.base.commit;
        assert!(workspace::export(fixture.folder.path(), "code", commit, &to).is_err());
        assert!(!to.exists());
    }
}

#[test]
fn an_export_never_writes_over_files() {
    let fixture = Fixture::new();
    let to = TempDir::new().unwrap();
    fs::write(to.path().join("mine"), "").unwrap();
    let commit = &fixture.source.base.commit;
    let error = workspace::export(fixture.folder.path(), "", commit, to.path()).unwrap_err();
    assert!(matches!(error, WorkspaceError::NotEmpty { .. }));
}

#[test]
fn a_built_in_problem_is_committed_once_per_version() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("problems/small/repository");
    let mut files: Codebase = BTreeMap::from([(path("a/train.py"), "lr = 1\n".to_owned())]);
    let first = workspace::materialise(&files, &folder).unwrap();
    assert_eq!(workspace::materialise(&files, &folder).unwrap(), first);
    files.insert(path("b.py"), "new\n".into());
    let second = workspace::materialise(&files, &folder).unwrap();
    assert_ne!(second.base.commit, first.base.commit);
    let repository = Repository::open(&folder).unwrap();
    let log: Vec<String> = {
        let mut walk = repository.revwalk().unwrap();
        walk.push_head().unwrap();
        walk.map(|id| id.unwrap().to_string()).collect()
    };
    assert_eq!(log, [second.base.commit.clone(), first.base.commit.clone()]);

    let elsewhere = TempDir::new().unwrap();
    let again = workspace::materialise(&files, &elsewhere.path().join("r")).unwrap();
    assert_eq!(again.base.tree, second.base.tree);
}

#[test]
fn a_users_folder_must_be_committed() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("my problem");
    fs::create_dir_all(folder.join("code")).unwrap();
    fs::write(folder.join("code/train.py"), "lr = 1\n").unwrap();
    let error = workspace::open_user(&folder).unwrap_err();
    assert!(matches!(error, WorkspaceError::NotUnderGit { .. }), "{error}");

    assert!(workspace::init_commit(home.path()).unwrap().is_some());
    let source = workspace::open_user(&folder).unwrap();
    assert_eq!(source.prefix, "my problem/code");
    GitWorkspace::open(source.clone(), rules()).unwrap();

    fs::write(home.path().join("beside"), "not the problem's").unwrap();
    assert_eq!(workspace::open_user(&folder).unwrap(), source);
    for number in 0..7 {
        fs::write(folder.join(format!("code/new{number}.py")), "").unwrap();
    }
    let error = workspace::open_user(&folder).unwrap_err().to_string();
    assert!(error.contains("my problem/code/new4.py and 2 more"), "{error}");
    assert!(error.contains("git -C"), "{error}");
    fs::write(home.path().join(".gitignore"), "new*.py\n").unwrap();
    workspace::open_user(&folder).unwrap();
    fs::write(folder.join("code/train.py"), "lr = 2\n").unwrap();
    assert!(workspace::open_user(&folder).is_err());
    assert_eq!(workspace::locate(&folder).unwrap().prefix, "my problem/code");
}

#[test]
fn a_repository_without_a_commit_is_named() {
    let home = TempDir::new().unwrap();
    Repository::init(home.path()).unwrap();
    let error = workspace::open_user(home.path()).unwrap_err();
    assert!(matches!(error, WorkspaceError::NoCommit { .. }), "{error}");
}

#[test]
fn a_folder_inside_a_repository_is_left_to_its_owner() {
    let home = TempDir::new().unwrap();
    Repository::init(home.path()).unwrap();
    let inner = home.path().join("inner");
    fs::create_dir(&inner).unwrap();
    assert_eq!(workspace::init_commit(&inner).unwrap(), None);
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let paths = prop::sample::select(vec![
        "train.py",
        "run.sh",
        "evaluate.py",
        "data.bin",
        "modules/attention.py",
        "modules/x/y.py",
        "modules/frozen.py",
        "modules",
        "train.py/x.py",
        "modules/.py",
        "README.md",
        "Train.py",
    ]);
    (paths, "[a-c\\n]{0,6}", 0..3u8).prop_map(|(at, text, kind)| match kind {
        0 => delete(at),
        1 => replace(at, "=", &text),
        _ => write(at, &text),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn no_accepted_patch_changes_what_is_not_editable(edits in prop::collection::vec(any_edit(), 1..5)) {
        let fixture = Fixture::new();
        if let Ok(revision) = fixture.commit(edits) {
            let repository = fixture.repository();
            let tree = |hash: &str| {
                repository.find_commit(git2::Oid::from_str(hash).unwrap()).unwrap().tree().unwrap()
            };
            let (base, new) = (tree(&fixture.source.base.commit), tree(&revision.commit));
            let diff = repository.diff_tree_to_tree(Some(&base), Some(&new), None).unwrap();
            prop_assert!(diff.deltas().len() > 0);
            for delta in diff.deltas() {
                let changed = delta.new_file().path().unwrap().to_str().unwrap().to_owned();
                let editable = changed == "code/train.py" || changed == "code/run.sh"
                    || changed.starts_with("code/modules/") && changed.ends_with(".py")
                        && !changed.ends_with("/frozen.py");
                prop_assert!(editable, "{changed} was changed");
            }
        }
    }
}
