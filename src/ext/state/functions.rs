//! The exchange of functions' static variables (`static $x` in functions, methods and property hooks).
//!
//! Unlike static properties these are exchanged by their table: the engine asks the function for it at each use and remembers no
//! address. No table means that the function was not called yet; the engine makes it from the declaration then. A closure's table is
//! the closure's own and goes with the object.
//!
//! Invariant: as for static properties: while no lane runs, the functions have the base's tables and each lane its own in `tables`;
//! while a lane runs, its `tables` holds the base's.
#![expect(
    unsafe_code,
    reason = "reads and writes functions' tables of static variables"
)]

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use rustc_hash::FxHashSet;

use super::included::Running;
use super::late::Late;
use crate::copy::tables::Variables;
use crate::zend::{self, Class, sys};

/// All user functions with static variables in this process, in the order in which they came.
#[derive(Default)]
pub(crate) struct Functions {
    functions: Vec<Function>,
    known: FxHashSet<usize>,
    /// How much of the table of functions has been looked at.
    seen: u32,
    /// Those whose file is still running, to be looked at again.
    unfinished: Vec<*mut sys::zend_op_array>,
}

struct Function {
    op_array: *mut sys::zend_op_array,
    place: Place,
    /// Tables of ended lanes, as declared, for those to come. They are kept and not freed: a first-class callable that such a lane
    /// made (`count(...)`) uses its table without counting it, and may live on.
    spare: Vec<Variables>,
}

/// Where a function's table is found.
#[derive(Clone, Copy)]
enum Place {
    /// In the function itself.
    At(*mut Variables),
    /// In the engine's map, which moves as it grows.
    Mapped(usize),
}

thread_local! {
    /// The spare tables of runs that are over.
    static LEFT: RefCell<Vec<Variables>> = const { RefCell::new(Vec::new()) };
}

/// Frees, at the request's end, the spare tables of runs that are over: PHP would throw them away with all memory, but a debug build of it
/// complains.
pub(crate) fn leave_request() {
    let left = LEFT.take();
    if sys::ZEND_DEBUG != 0 {
        for table in left {
            // SAFETY: nobody else has the table, and no callable that uses it is called any more.
            unsafe { sys::zend_array_destroy(table) };
        }
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        let spare = self.functions.drain(..).flat_map(|function| function.spare);
        LEFT.with_borrow_mut(|left| left.extend(spare));
    }
}

impl Place {
    /// # Safety
    /// The function is live.
    unsafe fn of(op_array: *mut sys::zend_op_array) -> Self {
        // SAFETY: this function's contract.
        let place = unsafe { &raw mut (*op_array).static_variables_ptr__ptr };
        // SAFETY: as above. An odd value is an offset into the map, see ZEND_MAP_PTR.
        let value = unsafe { *place } as usize;
        if value & 1 == 1 {
            Self::Mapped(value)
        } else {
            Self::At(place)
        }
    }

    fn live(self) -> *mut Variables {
        match self {
            Self::At(place) => place,
            // SAFETY: the map's base is biased by the offsets' lowest bit.
            Self::Mapped(offset) => unsafe { sys::compiler_globals.map_ptr_base }
                .cast::<u8>()
                .wrapping_add(offset)
                .cast(),
        }
    }

    fn key(self) -> usize {
        match self {
            Self::At(place) => place as usize,
            Self::Mapped(offset) => offset,
        }
    }
}

impl Functions {
    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.functions.len()
    }

    /// Takes in functions that were declared since the last look. Methods come with their classes.
    pub(crate) fn scan(&mut self, running: &Running) {
        for op_array in std::mem::take(&mut self.unfinished) {
            // SAFETY: it was found in the table of functions, which live until the request ends.
            unsafe { self.take_in_done(op_array, running) };
        }
        // SAFETY: the table of functions is alive for the whole request.
        let (table, used) = unsafe {
            let table = sys::executor_globals.function_table;
            (table, (*table).nNumUsed)
        };
        if used == self.seen {
            return;
        }
        let start = if used < self.seen { 0 } else { self.seen };
        for position in start..used {
            // SAFETY: positions below nNumUsed are initialised, and the table is never packed.
            let entry = unsafe {
                let bucket = (*table).__bindgen_anon_1.arData.add(position as usize);
                &(*bucket).val
            };
            if zend::kind(entry) != sys::IS_PTR {
                continue;
            }
            // SAFETY: such an entry of the table is a function.
            let function = unsafe { entry.value.func };
            // SAFETY: functions of the table are live.
            let has_variables = unsafe {
                u32::from((*function).type_) == sys::ZEND_USER_FUNCTION
                    && !(*function).op_array.static_variables.is_null()
            };
            if has_variables {
                // SAFETY: a function of PHP code, which lives until the request ends.
                unsafe { self.take_in_done(&raw mut (*function).op_array, running) };
            }
        }
        self.seen = used;
    }

    /// Takes in a function if its file has run to its end, else later.
    ///
    /// # Safety
    /// As for [`Functions::take_in`].
    unsafe fn take_in_done(&mut self, op_array: *mut sys::zend_op_array, running: &Running) {
        // SAFETY: a live function of PHP code, which names the file that it is declared in.
        if unsafe { running.has((*op_array).filename) } {
            self.unfinished.push(op_array);
        } else {
            // SAFETY: this function's contract.
            unsafe { self.take_in(op_array) };
        }
    }

    /// Takes in the methods of a class.
    ///
    /// # Safety
    /// On the PHP thread; the class is linked, and of the class table.
    pub(crate) unsafe fn take_in_methods(&mut self, class: *mut Class) {
        extern "C" fn each(functions: *mut c_void, op_array: *mut sys::zend_op_array) {
            // SAFETY: called below with `self`, which nothing else uses meanwhile.
            let functions = unsafe { &mut *functions.cast::<Functions>() };
            // SAFETY: a method of a class, which is there until the request ends.
            unsafe { functions.take_in(op_array) };
        }
        // SAFETY: this function's contract; the walk changes nothing.
        unsafe { sys::kq_methods_with_statics(class, Some(each), ptr::from_mut(self).cast()) };
    }

    /// Takes in a function. Inherited methods are the parent's, so they come more than once.
    ///
    /// # Safety
    /// The function is there until the request ends.
    unsafe fn take_in(&mut self, op_array: *mut sys::zend_op_array) {
        // SAFETY: this function's contract.
        let place = unsafe { Place::of(op_array) };
        if self.known.insert(place.key()) {
            self.functions.push(Function {
                op_array,
                place,
                spare: Vec::new(),
            });
        }
    }

    /// Returns the name of a function, for people: "Foo\Bar::name()".
    pub(crate) fn name(&self, index: usize) -> String {
        let op_array = self.functions[index].op_array;
        // SAFETY: functions of the tables have names; a scope is a class.
        unsafe {
            let name = String::from_utf8_lossy(zend::text((*op_array).function_name)).into_owned();
            if (*op_array).scope.is_null() {
                format!("{name}()")
            } else {
                format!("{}::{name}()", zend::class_name((*op_array).scope))
            }
        }
    }

    /// Returns the live tables, function by function. They stay the functions' own: whoever reads them must not drop them.
    pub(crate) fn live(&self) -> Vec<Variables> {
        // SAFETY: a function lives until the request ends, and so does the place of its table.
        let live = |function: &Function| unsafe { *function.place.live() };
        self.functions.iter().map(live).collect()
    }

    /// Returns the live table of one function; null: not used yet.
    pub(crate) fn live_one(&self, index: usize) -> Variables {
        // SAFETY: as in `live`.
        unsafe { *self.functions[index].place.live() }
    }

    /// Returns whether a function is declared in this file.
    ///
    /// # Safety
    /// `file` is live.
    pub(crate) unsafe fn is_of(&self, index: usize, file: *const sys::zend_string) -> bool {
        // SAFETY: a live function of PHP code, which names the file that it is declared in.
        let own = unsafe { (*self.functions[index].op_array).filename };
        own.cast_const() == file || zend::text(own) == zend::text(file)
    }

    /// Returns a table as declared; null says the same.
    pub(crate) fn declared_one(&mut self, index: usize) -> Variables {
        self.functions[index].spare.pop().unwrap_or(ptr::null_mut())
    }

    /// Returns a table of a function's, to be filled for a new lane.
    ///
    /// # Safety
    /// `like` is a live table of the same function.
    pub(crate) unsafe fn spare(&mut self, index: usize, like: Variables) -> Variables {
        self.functions[index]
            .spare
            .pop()
            // SAFETY: a copy of a live table: the same places for the same names.
            .unwrap_or_else(|| unsafe { sys::kq_array_dup(like) })
    }

    fn retire(&mut self, index: usize, table: Variables) {
        let function = &mut self.functions[index];
        // SAFETY: the table is an ended lane's; all tables of a function have the declaration's layout.
        unsafe { sys::kq_declare_variables(table, (*function.op_array).static_variables) };
        function.spare.push(table);
    }
}

/// One lane's tables, by function.
#[derive(Default)]
pub(crate) struct Tables {
    tables: Vec<Variables>,
}

impl Tables {
    /// Takes these tables, function by function; null: as declared.
    pub(crate) fn from_tables(tables: Vec<Variables>) -> Self {
        Self { tables }
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.tables.len()
    }

    /// Adds tables for functions that came since the last exchange: as their files have left them, else as declared; for the lane and
    /// for the base.
    pub(crate) fn grow(&mut self, functions: &mut Functions, late: &mut Late) {
        for index in self.tables.len()..functions.len() {
            let table = match late.table(index) {
                Some(from) => {
                    // SAFETY: `late` keeps a table of this function for as long as the slots.
                    let table = unsafe { functions.spare(index, from) };
                    // SAFETY: as `from`; the new one is ours.
                    unsafe { late.fill_table(table, from) };
                    table
                }
                None => functions.declared_one(index),
            };
            self.tables.push(table);
        }
    }

    /// Exchanges these with the live ones.
    pub(crate) fn exchange(&mut self, functions: &Functions) {
        for (function, table) in functions.functions.iter().zip(&mut self.tables) {
            // SAFETY: the function lives until the request ends.
            unsafe { ptr::swap(function.place.live(), table) };
        }
    }

    /// Gives away the tables of an ended lane.
    pub(crate) fn into_tables(mut self) -> Vec<Variables> {
        std::mem::take(&mut self.tables)
    }

    /// Puts aside the tables of an ended lane that were not dropped while they were live.
    pub(crate) fn retire(&mut self, functions: &mut Functions) {
        for (index, table) in self.tables.drain(..).enumerate() {
            if !table.is_null() {
                functions.retire(index, table);
            }
        }
    }
}

/// Drops the values of the lane that is running, destructors and all. The lane runs no other code afterwards.
///
/// A destructor may wait, and other lanes may declare functions meanwhile: so the table is read anew for each function.
///
/// # Safety
/// On the PHP thread, in a lane; the table of functions outlives the call, and nobody keeps a reference into it meanwhile.
pub(crate) unsafe fn drop_live(functions: *mut Functions) {
    let mut index = 0;
    loop {
        // SAFETY: this function's contract. The borrow ends with the copies below.
        let all = unsafe { &(*functions).functions };
        let Some(Function {
            op_array, place, ..
        }) = all.get(index)
        else {
            break;
        };
        let (op_array, place) = (*op_array, *place);
        // SAFETY: a function lives until the request ends, and so does the place of its table.
        let table = unsafe { ptr::replace(place.live(), ptr::null_mut()) };
        if !table.is_null() {
            // SAFETY: the lane's own table, which is not live any more; it has the declaration's layout.
            unsafe { sys::kq_declare_variables(table, (*op_array).static_variables) };
            // SAFETY: this function's contract; the destructors have run.
            let all = unsafe { &mut (*functions).functions };
            all[index].spare.push(table);
        }
        if zend::has_exception() {
            // SAFETY: on the PHP thread; the exception is a destructor's.
            unsafe { sys::zend_clear_exception() };
        }
        index += 1;
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        for table in self.tables.drain(..).filter(|table| !table.is_null()) {
            // SAFETY: an ended lane's own. The table itself is kept, see `spare`.
            unsafe { sys::kq_declare_variables(table, ptr::null_mut()) };
        }
    }
}
