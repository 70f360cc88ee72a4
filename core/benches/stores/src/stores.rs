//! The stores under thin names.

use std::sync::Arc;

/// A map from numbers to numbers.
pub trait Map: Send + Sync + 'static {
    fn new() -> Self;
    fn load(&self, key: u64) -> Option<Arc<u64>>;
    fn store(&self, key: u64, value: u64);
    fn delete(&self, key: u64);
}

impl Map for gmp_core::sync::Map<u64, u64> {
    fn new() -> Self {
        Self::new()
    }
    fn load(&self, key: u64) -> Option<Arc<u64>> {
        Self::load(self, &key)
    }
    fn store(&self, key: u64, value: u64) {
        Self::store(self, key, value);
    }
    fn delete(&self, key: u64) {
        Self::delete(self, &key);
    }
}

impl Map for dashmap::DashMap<u64, Arc<u64>> {
    fn new() -> Self {
        Self::new()
    }
    fn load(&self, key: u64) -> Option<Arc<u64>> {
        self.get(&key).map(|value| value.clone())
    }
    fn store(&self, key: u64, value: u64) {
        self.insert(key, Arc::new(value));
    }
    fn delete(&self, key: u64) {
        self.remove(&key);
    }
}

impl Map for papaya::HashMap<u64, Arc<u64>> {
    fn new() -> Self {
        Self::new()
    }
    fn load(&self, key: u64) -> Option<Arc<u64>> {
        self.pin().get(&key).cloned()
    }
    fn store(&self, key: u64, value: u64) {
        self.pin().insert(key, Arc::new(value));
    }
    fn delete(&self, key: u64) {
        self.pin().remove(&key);
    }
}

impl Map for scc::HashMap<u64, Arc<u64>> {
    fn new() -> Self {
        Self::new()
    }
    fn load(&self, key: u64) -> Option<Arc<u64>> {
        self.read_sync(&key, |_, value| value.clone())
    }
    fn store(&self, key: u64, value: u64) {
        self.upsert_sync(key, Arc::new(value));
    }
    fn delete(&self, key: u64) {
        self.remove_sync(&key);
    }
}

/// A number that is replaced as a whole.
pub trait Cell: Send + Sync + 'static {
    fn new(value: u64) -> Self;
    fn load(&self) -> Arc<u64>;
    fn store(&self, value: u64);
}

impl Cell for gmp_core::sync::Value<u64> {
    fn new(value: u64) -> Self {
        Self::new(value)
    }
    fn load(&self) -> Arc<u64> {
        Self::load(self).expect("one was stored")
    }
    fn store(&self, value: u64) {
        Self::store(self, value);
    }
}

impl Cell for arc_swap::ArcSwap<u64> {
    fn new(value: u64) -> Self {
        Self::from_pointee(value)
    }
    fn load(&self) -> Arc<u64> {
        self.load_full()
    }
    fn store(&self, value: u64) {
        Self::store(self, Arc::new(value));
    }
}
