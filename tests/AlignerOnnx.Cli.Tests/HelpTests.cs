using System.CommandLine;

namespace AlignerOnnx.Cli.Tests;

[TestClass]
public sealed class HelpTests
{
    public static IEnumerable<object[]> CommandPaths => Paths(AlignerRootCommand.Create(), []).Select(path => new object[] { string.Join(' ', path) });

    [TestMethod]
    [DynamicData(nameof(CommandPaths))]
    public async Task Help_OfEveryCommand_ShowsAnExampleOfThatCommand(string path)
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync([.. path.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"])).Expect(ExitCodes.Done);
        Assert.Contains("Example", run.Output);
        Assert.Contains($"  aligner {path}".TrimEnd(), run.Output[run.Output.IndexOf("Example", StringComparison.Ordinal)..]);
        Assert.IsEmpty(run.Errors);
    }

    /// <summary>A default that help shows can be typed: names of choices are small letters with hyphens, in the list of choices and as the default.</summary>
    [TestMethod]
    [DataRow("adapter export", "[default: lit-llama]")]
    [DataRow("train sft", "--schedule <constant|linear|cosine>")]
    [DataRow("train sft", "[default: gated]")]
    [DataRow("train dpo", "[default: sigmoid]")]
    [DataRow("key add", "--role <use|train|admin>")]
    public async Task Help_OfChoices_ShowsThemAsTheyAreTyped(string path, string shown)
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync([.. path.Split(' '), "--help"])).Expect(ExitCodes.Done);
        Assert.Contains(shown, run.Output);
        Assert.DoesNotMatchRegex(@"\[default: [A-Z]", run.Output);
    }

    [TestMethod]
    public void Examples_OfEveryCommand_AreLinesThatParse()
    {
        RootCommand root = AlignerRootCommand.Create();
        foreach (AlignerCommand command in Commands(root).OfType<AlignerCommand>())
        {
            Assert.IsNotEmpty(command.Examples, command.Name);
            foreach (string example in command.Examples)
            {
                Assert.StartsWith("aligner ", example);
                ParseResult parsed = root.Parse(example["aligner ".Length..]);
                Assert.IsEmpty(parsed.Errors, $"{example}: {string.Join("; ", parsed.Errors)}");
                Assert.AreSame(command, parsed.CommandResult.Command, example);
            }
        }
    }

    [TestMethod]
    public void Descriptions_OfEveryCommandAndOption_AreThere()
    {
        foreach (Command command in Commands(AlignerRootCommand.Create()))
        {
            Assert.IsFalse(string.IsNullOrWhiteSpace(command.Description), command.Name);
            foreach (Symbol symbol in command.Options.Concat<Symbol>(command.Arguments))
            {
                Assert.IsFalse(string.IsNullOrWhiteSpace(symbol.Description), $"{command.Name} {symbol.Name}");
            }
        }
    }

    private static IEnumerable<Command> Commands(Command command) => [command, .. command.Subcommands.SelectMany(Commands)];

    private static IEnumerable<string[]> Paths(Command command, string[] path) =>
        [path, .. command.Subcommands.SelectMany(sub => Paths(sub, [.. path, sub.Name]))];
}
