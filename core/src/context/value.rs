//! Typed values of a context.

use core::any::{Any, TypeId, type_name};

use crate::g::drop_caught;

/// A key of a context value: a type of one's own that says which type the value has. So a value of a
/// wrong type is impossible, and whoever cannot name the key cannot read the value.
///
/// ```
/// use gmp_core::context::{background, with_value, Key};
///
/// struct UserId;
/// impl Key for UserId {
///     type Value = u64;
/// }
///
/// let ctx = with_value::<UserId>(&background(), 7);
/// assert_eq!(ctx.value::<UserId>(), Some(&7));
/// ```
pub trait Key: 'static {
    /// The type of the value.
    type Value: Send + Sync + 'static;
}

/// The value of one key.
pub(super) struct Value {
    key: TypeId,
    /// The name of the key's type, for people.
    name: &'static str,
    value: Option<Box<dyn Any + Send + Sync>>,
}

impl Value {
    pub(super) fn new<K: Key>(value: K::Value) -> Self {
        Self { key: TypeId::of::<K>(), name: type_name::<K>(), value: Some(Box::new(value)) }
    }

    /// The name of the key's type, without the path.
    pub(super) fn name(&self) -> &'static str {
        let plain = self.name.split('<').next().unwrap_or(self.name);
        plain.rsplit("::").next().unwrap_or(plain)
    }

    /// The value, if it is that of `K`.
    pub(super) fn get<K: Key>(&self) -> Option<&K::Value> {
        let value = self.value.as_deref().filter(|_| self.key == TypeId::of::<K>());
        value.and_then(<dyn Any + Send + Sync>::downcast_ref)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        // A context may go anywhere, also inside the scheduler.
        drop_caught(self.value.take());
    }
}
