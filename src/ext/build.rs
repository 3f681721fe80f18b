//! Compiles the C shim and binds Zend's structures for the PHP that `PHP_CONFIG` names (default: php-config on the PATH).
//!
//! Bound here and not taken from ext-php-rs: lanes need structures that it does not bind (executor globals, class entries'
//! static members, closures, output globals), and they must fit this very PHP.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// What Rust uses of Zend, by name; bindgen follows the types.
const FUNCTIONS: &[&str] = &[
    "kq_.*",
    "_?zend_new_array.*",
    "zend_array_destroy",
    "zend_create_closure",
    "zend_create_fake_closure",
    "zend_clear_exception",
    "zend_get_closure_this_ptr",
    "zend_hash_add_new",
    "zend_hash_find",
    "zend_hash_index_add_new",
    "zend_hash_next_index_insert",
    "zend_hash_real_init_packed",
    "zend_hash_update",
    "zend_objects_new",
    "object_init_ex",
    "zval_update_constant_ex",
    "zval_add_ref",
    "zend_stack_init",
    "zend_stack_push",
    "zend_stack_destroy",
    "php_output_activate",
    "gc_enable",
    "zend_memory_usage",
    "zend_memory_reset_peak_usage",
    "tzset",
];
const TYPES: &[&str] = &[
    "zend_class_entry",
    "zend_object",
    "zval",
    "HashTable",
    "kq_.*",
];
/// The C sources, in `shim/`.
const SHIM: &[&str] = &[
    "calls",
    "collector",
    "contexts",
    "functions",
    "includes",
    "interrupts",
    "loading",
    "objects",
    "midway",
    "modules",
    "request",
    "select",
    "settings",
    "stacks",
    "values",
    "variables",
    "waits",
];
const VARS: &[&str] = &[
    "executor_globals",
    "compiler_globals",
    "basic_globals",
    "output_globals",
    "zend_ce_closure",
    "IS_.*",
    "ZEND_ACC_.*",
    "ZEND_HAS_STATIC_IN_METHODS",
    "ZEND_USER_.*",
    "ZEND_INTERNAL_.*",
    "GC_.*",
    "E_.*",
    "PHP_VERSION_ID",
    "ZEND_DEBUG",
    "PHP_VERSION",
];

fn main() {
    println!("cargo:rerun-if-changed=shim");
    println!("cargo:rerun-if-env-changed=PHP_CONFIG");
    println!("cargo:rerun-if-env-changed=PHP");

    if env::var("CARGO_CFG_TARGET_ENV").as_deref() != Ok("gnu") {
        fail(
            "KQueue needs glibc: its hooks patch calls into it, and musl lays them out otherwise. Use a Debian-based PHP.",
        );
    }
    let php_config = env::var("PHP_CONFIG").unwrap_or_else(|_| "php-config".into());
    let includes = output(&php_config, "--includes");
    let flags: Vec<&str> = includes.split_whitespace().collect();
    refuse_zts(&flags);

    cc::Build::new()
        .files(SHIM.iter().map(|name| format!("shim/{name}.c")))
        // As system headers, of which compilers do not complain.
        .flags(flags.iter().map(|flag| flag.replacen("-I", "-isystem", 1)))
        .flag("-std=gnu11")
        .define("ZEND_ENABLE_STATIC_TSRMLS_CACHE", "1")
        .define("_GNU_SOURCE", None)
        .extra_warnings(true)
        .compile("kqueue_shim");

    // Never unloaded: helper threads may still run its code, and libraries may have copied a hook's address.
    println!("cargo:rustc-link-arg=-Wl,-z,nodelete");

    let mut builder = bindgen::Builder::default()
        .header("shim/shim.h")
        .clang_args(&flags)
        .clang_arg("-D_GNU_SOURCE")
        .derive_default(false)
        .derive_debug(false)
        .layout_tests(false)
        .generate_comments(false)
        .merge_extern_blocks(true)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .default_enum_style(bindgen::EnumVariation::Consts);
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    for name in VARS {
        builder = builder.allowlist_var(name);
    }
    let bindings = builder.generate().unwrap_or_else(|error| {
        fail(&format!(
            "cannot read PHP's headers: {error}. Is php-dev installed for {php_config}?"
        ))
    });
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("zend_sys.rs");
    bindings.write_to_file(out).expect("OUT_DIR is writable");
}

/// A thread-safe PHP keeps its globals per thread; everything here reads them as plain symbols.
fn refuse_zts(flags: &[&str]) {
    for flag in flags {
        let header = PathBuf::from(flag.trim_start_matches("-I")).join("main/php_config.h");
        let header = if header.exists() {
            header
        } else {
            PathBuf::from(flag.trim_start_matches("-I")).join("php_config.h")
        };
        if let Ok(text) = fs::read_to_string(header)
            && text.lines().any(|line| line.trim() == "#define ZTS 1")
        {
            fail(
                "this PHP is built thread-safe (ZTS). KQueue needs a non-thread-safe PHP: install the NTS build, or set PHP_CONFIG to its php-config.",
            );
        }
    }
}

fn output(program: &str, argument: &str) -> String {
    match Command::new(program).arg(argument).output() {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).into_owned(),
        Ok(out) => fail(&format!(
            "{program} {argument} failed: {}",
            String::from_utf8_lossy(&out.stderr)
        )),
        Err(error) => fail(&format!(
            "cannot run {program}: {error}. Install PHP's development package (Debian: php-dev) or set PHP_CONFIG to its php-config."
        )),
    }
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    std::process::exit(1)
}
