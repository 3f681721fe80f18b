//! Objects that have no copy of their own, and are made anew from what they were made of, by their internal class's constructor.
#![expect(unsafe_code, reason = "builds Zend objects")]

use super::copier::Copier;
use super::inside::{inside, storage_elements};
use super::methods::call;
use crate::zend::{self, Class, Object, Owned, Value, sys};

impl Copier {
    /// Around a copy of its engine.
    pub(super) fn randomizer(
        &mut self,
        old: *mut Object,
        class: *mut Class,
    ) -> Option<*mut Object> {
        let engine = self.owned(property_of(old, class, "engine")?);
        if zend::kind(engine.as_ptr()) != sys::IS_OBJECT {
            return None;
        }
        self.anew(old, class, &[engine])
    }

    /// With the same options. Rules from a file cannot be loaded again: its name is not kept.
    pub(super) fn finfo(&mut self, old: *mut Object, class: *mut Class) -> Option<*mut Object> {
        let (options, rules) = finfo_parts(old)?;
        let new = self.anew(old, class, &[Owned::from_raw(zend::long(options))])?;
        (finfo_parts(new)? == (options, rules)).then_some(new)
    }

    /// With copies of its iterators.
    pub(super) fn multiple_iterator(
        &mut self,
        old: *mut Object,
        class: *mut Class,
    ) -> Option<*mut Object> {
        let flags = call(old, class, "getflags", &mut [])?;
        let new = self.blank(old)?;
        call(new, class, "setflags", &mut [flags.borrowed()])?;
        for element in storage_elements(old)? {
            let iterator = self.owned_object(element.object);
            // SAFETY: the information is a number, a string or null.
            let information = unsafe { *element.information };
            call(
                new,
                class,
                "attachiterator",
                &mut [iterator.borrowed(), information],
            )?;
        }
        self.own_properties(new, old);
        Some(new)
    }

    /// Shared, if it only names what is the process's. With an object in it, or properties of the user's, of the copies of these.
    pub(super) fn reflector(&mut self, old: *mut Object, class: *mut Class) -> Option<*mut Object> {
        let object = inside(old).object();
        // SAFETY: a live object.
        if object.is_none() && unsafe { (*old).ce == class && !has_dynamic_properties(old) } {
            return None;
        }
        let arguments = self.reflected(old, class, object);
        let new = arguments.and_then(|arguments| self.anew(old, class, &arguments));
        if new.is_none() {
            self.fail(old);
        }
        new
    }

    /// What a reflector's constructor takes to make it anew.
    fn reflected(
        &mut self,
        old: *mut Object,
        class: *mut Class,
        object: Option<*mut Object>,
    ) -> Option<Vec<Owned>> {
        let mut name = |property| Some(self.owned(property_of(old, class, property)?));
        let name_of_class = zend::class_name(class).to_lowercase();
        Some(match (name_of_class.as_str(), object) {
            ("reflectionclass" | "reflectionenum" | "reflectionfunction", None) => {
                vec![name("name")?]
            }
            (
                "reflectionmethod"
                | "reflectionproperty"
                | "reflectionclassconstant"
                | "reflectionenumunitcase"
                | "reflectionenumbackedcase",
                None,
            ) => vec![name("class")?, name("name")?],
            ("reflectionobject" | "reflectionfunction", Some(object)) => {
                vec![self.owned_object(object)]
            }
            ("reflectionmethod", Some(object)) => vec![name("name")?, self.owned_object(object)]
                .into_iter()
                .rev()
                .collect(),
            ("reflectionparameter", Some(object)) => {
                let position = call(old, class, "getposition", &mut [])?;
                vec![self.owned_object(object), position]
            }
            _ => return None,
        })
    }

    /// A new object of the same class, made by the internal class's own constructor.
    fn anew(
        &mut self,
        old: *mut Object,
        class: *mut Class,
        arguments: &[Owned],
    ) -> Option<*mut Object> {
        let new = self.blank(old)?;
        let mut arguments: Vec<Value> = arguments.iter().map(Owned::borrowed).collect();
        call(new, class, "__construct", &mut arguments)?;
        self.own_properties(new, old);
        Some(new)
    }

    fn owned_object(&mut self, object: *mut Object) -> Owned {
        let mut value = zend::undef();
        zend::set_object(&raw mut value, self.object(object));
        Owned::from_raw(value)
    }
}

/// A declared property of an internal class, wherever its subclass has it.
fn property_of(object: *mut Object, class: *mut Class, name: &str) -> Option<*mut Value> {
    // SAFETY: a live class and its object, which is at least as large.
    let place =
        unsafe { sys::kq_declared_property(object, class, name.as_ptr().cast(), name.len()) };
    (!place.is_null()).then_some(place)
}

fn has_dynamic_properties(object: *mut Object) -> bool {
    // SAFETY: a live object.
    let properties = unsafe { (*object).properties };
    !properties.is_null()
        && zend::entries(properties).any(|entry| zend::kind(entry.value) != sys::IS_INDIRECT)
}

fn finfo_parts(finfo: *mut Object) -> Option<(i64, usize)> {
    let (mut options, mut rules) = (0, std::ptr::null_mut());
    // SAFETY: an object of finfo or a subclass.
    unsafe { sys::kq_finfo_parts(finfo, &raw mut options, &raw mut rules) }
        .then_some((options, rules as usize))
}
