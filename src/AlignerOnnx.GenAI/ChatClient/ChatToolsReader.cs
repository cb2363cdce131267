using Microsoft.Extensions.AI;

namespace AlignerOnnx.GenAI;

/// <summary>Reads which functions <see cref="ChatOptions"/> let an answer call: their tools, tool mode and whether several calls may be made at once.</summary>
internal static class ChatToolsReader
{
    internal static CallableFunctions Read(ChatOptions? options) => options is null or { ToolMode: NoneChatToolMode }
        ? CallableFunctions.None
        : Chosen([.. (options.Tools ?? []).Select(Function)], options.ToolMode) with { SeveralCalls = options.AllowMultipleToolCalls is not false };

    private static CallableFunctions Chosen(CallableFunction[] functions, ChatToolMode? mode) => mode switch
    {
        RequiredChatToolMode when functions is [] => throw new ArgumentException("ToolMode requires a call of a function, but there are no tools."),
        RequiredChatToolMode { RequiredFunctionName: { } name } => new([Named(functions, name)], Required: true),
        RequiredChatToolMode => new(functions, Required: true),
        _ => new(functions),
    };

    private static CallableFunction Function(AITool tool) => tool is AIFunctionDeclaration function
        ? new CallableFunction(function.Name, function.Description, function.JsonSchema)
        : throw new NotSupportedException($"The tool '{tool.Name}' is of the kind {tool.GetType().Name}; only functions ({nameof(AIFunctionDeclaration)}) are supported.");

    private static CallableFunction Named(CallableFunction[] functions, string name) => functions.FirstOrDefault(function => function.Name == name)
        ?? throw new ArgumentException($"ToolMode requires the function '{name}', which is none of the tools: {string.Join(", ", functions.Select(function => function.Name))}.");
}
