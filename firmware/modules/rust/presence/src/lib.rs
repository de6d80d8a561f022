//! Tells when somebody comes and when the room has been empty for ten seconds. The host API is that of `edgeflow_csi.h`.
#![no_std]

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

#[link(wasm_import_module = "csi")]
extern "C" {
    fn csi_get_presence() -> i32;
    fn csi_get_timestamp() -> i32;
    fn csi_emit_event(id: i32, value: f32);
}

const OCCUPIED: i32 = 910;
const EMPTY_MS: u32 = 10_000;

static SEEN: AtomicU32 = AtomicU32::new(0);
static OCCUPIED_NOW: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

#[no_mangle]
pub extern "C" fn on_timer() {
    // SAFETY: the host offers these functions with these types.
    let (presence, now) = unsafe { (csi_get_presence() != 0, csi_get_timestamp() as u32) };
    if presence {
        SEEN.store(now, Relaxed);
    }
    let held = presence || (OCCUPIED_NOW.load(Relaxed) && now.wrapping_sub(SEEN.load(Relaxed)) < EMPTY_MS);
    if held != OCCUPIED_NOW.swap(held, Relaxed) {
        // SAFETY: as above.
        unsafe { csi_emit_event(OCCUPIED, if held { 1.0 } else { 0.0 }) }
    }
}
