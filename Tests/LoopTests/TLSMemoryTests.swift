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

  @Test(arguments: [(16_384, 16_716), (17_408, 16_385), (40, 33)])
  func aBlockIsLentAgain(_ first: Int, _ second: Int) async {
    await onThread {
      let blocks = unsafe (0..<3).map { _ in unsafe TLSMemory.allocate(first) }
      #expect(unsafe Set(blocks).count == 3 && !blocks.contains(nil))
      for unsafe block in unsafe blocks { unsafe block?.initializeMemory(as: UInt8.self, repeating: 1, count: first) }
      // The third goes back to where it came from.
      for unsafe block in unsafe blocks { unsafe TLSMemory.release(block) }
      let again = unsafe (0..<2).map { _ in unsafe TLSMemory.allocate(second) }
      #expect(unsafe Set(again) == Set(blocks.prefix(2)))
      for unsafe block in unsafe again { unsafe block?.initializeMemory(as: UInt8.self, repeating: 2, count: second) }
      for unsafe block in unsafe again { unsafe TLSMemory.release(block) }
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
