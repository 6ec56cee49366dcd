//! Makes a copy of the workspace with all mutants in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{
    definition::{CRATES, Mutant},
    weave,
};

/// The result of a copy.
#[derive(Debug, Default)]
pub struct Copied {
    /// The line of the original at which each mutant starts, by its number.
    pub lines: BTreeMap<usize, usize>,
    /// The mutants that no longer apply, with the reasons.
    pub lost: Vec<String>,
}

/// Makes `copy` equal to `workspace`, with all mutants in it.
///
/// An unchanged file is left alone, so that cargo does not compile it again.
///
/// # Errors
/// A file cannot be read or written, or `git` cannot list them.
pub fn copy(workspace: &Path, copy: &Path, mutants: &[Mutant]) -> anyhow::Result<Copied> {
    let files = tracked(workspace)?;
    let mut copied = Copied::default();
    let mut by_file: BTreeMap<&Path, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        by_file
            .entry(Path::new(&mutant.file))
            .or_default()
            .push(mutant);
    }
    for (file, mutants) in &by_file {
        if !files.contains(*file) {
            let describe = |mutant: &&Mutant| {
                format!("{}: `{}`: there is no such file", mutant.file, mutant.says)
            };
            copied.lost.extend(mutants.iter().map(describe));
        }
    }
    for file in &files {
        let from = workspace.join(file);
        let mut bytes = fs::read(&from).with_context(|| format!("read {}", from.display()))?;
        if let Some(mutants) = by_file.get(file.as_path()) {
            let original = String::from_utf8(bytes)?;
            let woven = weave::weave(&original, mutants);
            copied.lines.extend(woven.lines);
            copied.lost.extend(woven.lost);
            bytes = woven.text.into_bytes();
        }
        if CRATES
            .iter()
            .any(|of| file == &Path::new(of).join("src/lib.rs"))
        {
            bytes.extend(weave::root().into_bytes());
        }
        write_if_changed(&copy.join(file), &bytes)?;
    }
    remove_others(copy, copy, &files)?;
    Ok(copied)
}

/// The files of the workspace that `git` knows or would add.
fn tracked(workspace: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let list = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let listed = Command::new("git")
        .args(list)
        .current_dir(workspace)
        .output()
        .context("git could not be started; it lists the files of the workspace")?;
    let why = String::from_utf8_lossy(&listed.stderr);
    ensure!(
        listed.status.success(),
        "git could not list the files: {why}"
    );
    let names = String::from_utf8(listed.stdout)?;
    let names = names.split_terminator('\0').map(PathBuf::from);
    // Git still lists files that were removed without a commit.
    Ok(names
        .filter(|name| workspace.join(name).is_file())
        .collect())
}

fn write_if_changed(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|before| before == bytes) {
        return Ok(());
    }
    let folder = path.parent().context("a file is in no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

/// Removes files that the workspace no longer has.
fn remove_others(root: &Path, folder: &Path, files: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(root, &path, files)?;
        } else if !files.contains(path.strip_prefix(root)?) {
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}
