//! No two files of a crate import each other, directly or through others. So each file can be read before its users.
//!
//! `pub use` in a `mod.rs` or `lib.rs` is a table of contents and not an import: a name from there counts as taken from
//! the file that defines it. A folder is one module: its files may use items of its `mod.rs`, for example an error,
//! although `mod.rs` calls the files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, File, Item, ItemMod, ItemUse, UseTree, Visibility,
    visit::{self, Visit},
};

use crate::sources::{root, sources};

/// Names of modules from the root of a crate; empty for the root.
type Module = Vec<String>;

/// The files of one crate.
struct Sources {
    files: BTreeMap<Module, File>,
}

impl Sources {
    /// Reads the files below `src`.
    fn read(src: &Path, paths: &[PathBuf]) -> Self {
        let of_src = paths.iter().filter(|path| path.starts_with(src));
        let files = of_src.map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let file = syn::parse_file(&text);
            let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (module_of(path.strip_prefix(src).unwrap()), file)
        });
        Self {
            files: files.collect(),
        }
    }

    /// The modules that each module imports from.
    fn imports(&self) -> BTreeMap<&Module, BTreeSet<&Module>> {
        let imports = self.files.iter().map(|(module, file)| {
            let mut paths = Paths {
                module,
                children: self.children(module),
                found: Vec::new(),
            };
            paths.visit_file(file);
            let targets = paths.found.iter().map(|path| self.target(path));
            let others = targets.filter(|target| !module.starts_with(target));
            (module, others.collect())
        });
        imports.collect()
    }

    /// The files directly below a module.
    fn children(&self, module: &Module) -> BTreeSet<String> {
        let modules = self.files.keys();
        let below = modules.filter(|other| other.starts_with(module));
        below
            .filter_map(|other| other.get(module.len()).cloned())
            .collect()
    }

    /// The module whose file defines the item of a path.
    fn target(&self, path: &[String]) -> &Module {
        let depth = (0..=path.len()).rev();
        let known = depth.filter_map(|depth| self.files.get_key_value(&path[..depth]));
        let (module, file) = known.into_iter().next().expect("a crate has a root");
        let Some(name) = path.get(module.len()) else {
            return module;
        };
        let mut exported = Exported { name, found: None };
        exported.visit_file(file);
        let Some(inner) = exported.found else {
            return module;
        };
        let inner = absolute(module, &inner).filter(|inner| inner.as_slice() != path);
        inner.map_or(module, |inner| self.target(&inner))
    }
}

/// The module of a file: `a/b.rs` and `a/b/mod.rs` are `[a, b]`.
fn module_of(path: &Path) -> Module {
    let names = path.with_extension("");
    let names = names.iter().map(|name| name.to_str().unwrap().to_owned());
    let names = names.filter(|name| !matches!(name.as_str(), "mod" | "lib" | "main"));
    names.collect()
}

/// The path from the root of its crate; `None` if it leads into another crate.
fn absolute(module: &Module, path: &[String]) -> Option<Module> {
    let mut base = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => module.clone(),
        _ => return None,
    };
    for name in path {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => drop(base.pop()),
            name => base.push(name.to_owned()),
        }
    }
    Some(base)
}

fn is_test(attributes: &[Attribute]) -> bool {
    let mut tests = attributes.iter().filter(|of| of.path().is_ident("cfg"));
    tests.any(|of| of.parse_args::<syn::Ident>().is_ok_and(|of| of == "test"))
}

/// Collects every path in `tree` with its local name. `before` is the prefix of the paths.
fn leaves(tree: &UseTree, before: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let with = |name: String| [before, &[name]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(path.ident.to_string()), found),
        UseTree::Name(name) => found.push((with(name.ident.to_string()), name.ident.to_string())),
        UseTree::Rename(renamed) => {
            found.push((with(renamed.ident.to_string()), renamed.rename.to_string()));
        }
        UseTree::Glob(_) => found.push((before.to_vec(), "*".to_owned())),
        UseTree::Group(group) => {
            for tree in &group.items {
                leaves(tree, before, found);
            }
        }
    }
}

/// Collects the paths that a file uses, except in tests.
struct Paths<'a> {
    module: &'a Module,
    /// The names of the files directly below the module.
    children: BTreeSet<String>,
    found: Vec<Module>,
}

impl Paths<'_> {
    fn add(&mut self, path: &[String]) {
        if self.children.contains(&path[0]) {
            self.found.push([self.module, path].concat());
        } else {
            self.found.extend(absolute(self.module, path));
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Mod(ItemMod { attrs, .. }) = item
            && is_test(attrs)
        {
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_private = matches!(item.vis, Visibility::Inherited);
        if !self.children.is_empty() && !is_private {
            return;
        }
        let mut paths = Vec::new();
        leaves(&item.tree, &[], &mut paths);
        for (path, _) in paths {
            self.add(&path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path
            .segments
            .iter()
            .map(|of| of.ident.to_string())
            .collect();
        if names.len() > 1 {
            self.add(&names);
        }
        visit::visit_path(self, path);
    }
}

/// Finds the path of a name that a file re-exports.
struct Exported<'a> {
    name: &'a str,
    found: Option<Vec<String>>,
}

impl<'ast> Visit<'ast> for Exported<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut paths = Vec::new();
        leaves(&item.tree, &[], &mut paths);
        let path = paths.into_iter().find(|(_, name)| name == self.name);
        if let Some((path, _)) = path {
            let is_relative = !matches!(path[0].as_str(), "crate" | "self" | "super");
            let before = is_relative.then(|| "self".to_owned());
            self.found = Some(before.into_iter().chain(path).collect());
        }
    }
}

/// The modules on a way from a module back to itself, if there is one.
fn circle<'a>(
    from: &'a Module,
    imports: &BTreeMap<&'a Module, BTreeSet<&'a Module>>,
) -> Option<Vec<&'a Module>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        for next in imports.get(way.last()?).into_iter().flatten() {
            if *next == from {
                return Some(way);
            }
            if seen.insert(*next) {
                ways.push([way.as_slice(), &[*next]].concat());
            }
        }
    }
    None
}

#[test]
fn no_files_import_each_other() {
    let paths = sources();
    let crates = paths.iter().filter_map(|path| {
        let mut above = path.ancestors();
        above.find(|folder| folder.ends_with("src"))
    });
    let crates: BTreeSet<_> = crates.collect();
    let root = root();
    let mut circles = Vec::new();
    for src in crates {
        let sources = Sources::read(src, &paths);
        let imports = sources.imports();
        for module in imports.keys() {
            if let Some(way) = circle(module, &imports) {
                let names = way.iter().map(|module| module.join("::"));
                let names = names.collect::<Vec<_>>().join(" → ");
                let place = src.strip_prefix(&root).unwrap().display();
                circles.push(format!("{place}: {names} → {}", module.join("::")));
            }
        }
    }
    assert!(circles.is_empty(), "circles:\n{}", circles.join("\n"));
}

#[test]
fn a_circle_through_a_table_of_contents_is_found() {
    let parse = |text: &str| syn::parse_file(text).unwrap();
    let module = |path: &str| module_of(Path::new(path));
    let with = |b: &str| Sources {
        files: BTreeMap::from([
            (module("lib.rs"), parse("mod a; mod b; pub use a::A;")),
            (module("a.rs"), parse("use crate::b::B; pub struct A;")),
            (module("b.rs"), parse(b)),
        ]),
    };
    let is_circle = |sources: &Sources| {
        let imports = sources.imports();
        circle(&module("a.rs"), &imports).is_some()
    };
    assert!(!is_circle(&with("pub struct B;")));
    assert!(is_circle(&with("use crate::A; pub struct B(A);")));
    assert!(is_circle(&with("pub struct B(super::a::A);")));
    assert!(!is_circle(&with(
        "pub struct B; #[cfg(test)] mod tests { use crate::A; }"
    )));
}
