/// A value kept elsewhere, so that what is seldom there takes one word in a connection. Only for what has one owner: copies of
/// a reference would share the value.
final class Box<Value> {
  var value: Value

  init(_ value: Value) { self.value = value }
}
