//! The compiled fixture, and the hooks as a guard: one test at a time, none for long.
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use kqueue_engine::interpose::{self, Reach, Report, Waiter};

/// Hooks belong to the process, so tests take turns.
static TURN: Mutex<()> = Mutex::new(());

/// No test takes longer; if one does, the process ends by SIGALRM.
const WATCHDOG_SECONDS: u32 = 30;

/// A test's turn: `uninstall`s when it ends.
pub(crate) struct Turn {
    _turn: MutexGuard<'static, ()>,
}

impl Turn {
    pub(crate) fn take() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: takes a number; nothing here handles SIGALRM, so it ends the process.
        unsafe { libc::alarm(WATCHDOG_SECONDS) };
        Self { _turn: turn }
    }

    pub(crate) fn install(&self, waiter: &'static dyn Waiter) -> Report {
        fixture();
        interpose::install(waiter, Reach::All).expect("glibc on a supported architecture")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        interpose::uninstall();
        // SAFETY: takes a number.
        unsafe { libc::alarm(0) };
    }
}

/// A loaded build of `fixtures/caller.c`.
pub(crate) struct Fixture(*mut libc::c_void);

// SAFETY: a handle of dlopen's may be used on any thread.
unsafe impl Send for Fixture {}
// SAFETY: a handle of dlopen's may be used on any thread.
unsafe impl Sync for Fixture {}

impl Fixture {
    pub(crate) fn load(path: &Path) -> Self {
        let path = CString::new(path.as_os_str().as_encoded_bytes()).expect("no NUL in a path");
        // SAFETY: the object has no initialisers.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) };
        assert!(!handle.is_null(), "cannot load {path:?}");
        Self(handle)
    }

    pub(crate) fn address(&self, name: &str) -> *mut libc::c_void {
        let symbol = CString::new(name).expect("no NUL in a name");
        // SAFETY: an open handle and a C string.
        let address = unsafe { libc::dlsym(self.0, symbol.as_ptr()) };
        assert!(!address.is_null(), "the fixture has no {name}");
        address
    }

    pub(crate) fn unload(self) {
        // SAFETY: opened by `load`, and none of its functions is running.
        let failed = unsafe { libc::dlclose(self.0) };
        assert_eq!(failed, 0);
    }
}

/// The build that is bound when loaded, with protected slots, as Debian builds PHP.
pub(crate) fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| Fixture::load(&compile("caller", &["-Wl,-z,now", "-Wl,-z,relro"])))
}

/// Compiles `fixtures/caller.c` as lib`name`.so.
pub(crate) fn compile(name: &str, flags: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/caller.c");
    let object = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lib{name}.so"));
    let status = Command::new("cc")
        .args([
            "-shared",
            "-fPIC",
            "-O2",
            "-Wall",
            "-Werror",
            "-U_FORTIFY_SOURCE",
            "-D_FORTIFY_SOURCE=2",
            "-o",
        ])
        .arg(&object)
        .arg(&source)
        .args(flags)
        .arg("-lresolv")
        .status()
        .expect("a C compiler");
    assert!(status.success(), "the fixture does not compile");
    object
}

/// A function of the fixture as a closure, with the signature that the context gives it. The test answers for the arguments.
macro_rules! call {
    ($name:ident($($argument:ident: $kind:ty),*) -> $result:ty) => {{
        let address = $crate::fixture::fixture().address(stringify!($name));
        move |$($argument: $kind),*| -> $result {
            // SAFETY: the fixture's function has this signature, and the fixture stays loaded.
            let function = unsafe {
                std::mem::transmute::<*mut libc::c_void, unsafe extern "C" fn($($kind),*) -> $result>(address)
            };
            // SAFETY: the test passes what the function takes.
            unsafe { function($($argument),*) }
        }
    }};
}
pub(crate) use call;
