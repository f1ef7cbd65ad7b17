import Foundation
import Testing

@testable import IMAPLoop

/// What OpenSSL is lent again instead of the C library's. It allows that before its first block only, so not in tests.
@Suite struct TLSMemoryTests {
  /// Runs `body` on a thread of its own, which has kept nothing yet.
  private func onThread(_ body: @escaping @Sendable () -> Void) async {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        body()
        continuation.resume()
      }
    }
  }

  /// The address of a block, all of which was written to.
  private static func taken(_ size: Int) -> UInt? {
    let block = unsafe TLSMemory.allocate(size)
    unsafe block?.initializeMemory(as: UInt8.self, repeating: 1, count: size)
    return unsafe block.map { UInt(bitPattern: $0) }
  }

  private static func release(_ address: UInt?) {
    unsafe TLSMemory.release(address.flatMap { unsafe UnsafeMutableRawPointer(bitPattern: $0) })
  }

  @Test(arguments: [(16_384, 16_716), (17_408, 16_385), (40, 33)])
  func aBlockIsLentAgain(_ first: Int, _ second: Int) async {
    await onThread {
      let blocks = (0..<3).map { _ in Self.taken(first) }
      #expect(Set(blocks).count == 3 && !blocks.contains(nil))
      // The third goes back to where it came from.
      blocks.forEach(Self.release)
      let again = (0..<2).map { _ in Self.taken(second) }
      #expect(Set(again) == Set(blocks.prefix(2)))
      again.forEach(Self.release)
    }
  }

  /// What the C library gives for 40 bytes has 40 or 56.
  @Test(arguments: [40, 56]) func aLargerBlockWillDo(_ size: Int) async {
    await onThread {
      let block = unsafe malloc(size)
      unsafe TLSMemory.release(block)
      #expect(unsafe TLSMemory.allocate(40) == block)
      unsafe TLSMemory.release(block)
    }
  }

  @Test func otherSizesAreTheLibrarys() async {
    await onThread {
      let kept = unsafe TLSMemory.allocate(16_384)
      unsafe TLSMemory.release(kept)
      for size in [1, 32, 41, 64, 16_383, 17_409, 1 << 20] {
        let block = unsafe TLSMemory.allocate(size)
        #expect(unsafe block != nil && block != kept, "\(size)")
        unsafe block?.initializeMemory(as: UInt8.self, repeating: 3, count: size)
        unsafe TLSMemory.release(block)
      }
      unsafe TLSMemory.release(nil)
      #expect(unsafe TLSMemory.allocate(16_384) == kept)
      unsafe TLSMemory.release(kept)
    }
  }

  /// A block may be given back by another thread than that which took it.
  @Test func eachThreadKeepsItsOwn() async {
    let address = await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: unsafe Int(bitPattern: TLSMemory.allocate(17_000))) }
    }
    await onThread {
      unsafe TLSMemory.release(UnsafeMutableRawPointer(bitPattern: address))
      #expect(unsafe Int(bitPattern: TLSMemory.allocate(16_400)) == address)
      unsafe TLSMemory.release(UnsafeMutableRawPointer(bitPattern: address))
    }
  }

  /// OpenSSL has been at work before.
  @Test func itHasToBeTheFirst() throws {
    _ = try TLSContext.client()
    #expect(!TLSMemory.keepBlocks())
  }
}
