import ArgumentParser
import IMAPStateMachine

// Both libraries have a `Flag`: here the word means the one of the command line.
typealias Flag = ArgumentParser.Flag
typealias MessageFlag = IMAPStateMachine.Flag
