#version 330 core
// What was drawn at twice the size, over the backdrop. At a pixel's centre the filter gives the mean of four.

uniform sampler2D drawn;
uniform sampler2D backdrop;

out vec4 frag_color;

void main()
{
    vec4 colour = texture(drawn, gl_FragCoord.xy / vec2(textureSize(backdrop, 0)));
    frag_color = colour + (1.0 - colour.a) * texelFetch(backdrop, ivec2(gl_FragCoord.xy), 0);
}
